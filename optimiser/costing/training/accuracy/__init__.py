"""What training is estimated to take against what published runs took."""
