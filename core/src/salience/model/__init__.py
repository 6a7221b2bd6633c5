"""The replica of the model: its target variables, its output variable and its passes."""
