"""What callers may do: IAM policies of instance roles, and bucket policies."""
