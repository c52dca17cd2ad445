"""The three commands as functions without a terminal: bring a cluster up, open it for work, take it down."""
