"""The nightly job."""
