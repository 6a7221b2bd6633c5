"""Commands about plugins: list, check, diagnose, start a new one."""
