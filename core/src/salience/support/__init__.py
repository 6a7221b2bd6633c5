"""What has nothing to do with saliency: numbers, files, random states, the allocator."""
