"""dlcluster: deep-learning clusters from one YAML file, on AWS or on the embedded cloud."""

__version__ = "0.1.0"
