"""The outlets and the scenario of the demo."""
