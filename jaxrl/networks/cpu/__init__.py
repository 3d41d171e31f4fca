"""What only XLA's CPU backend needs: nothing in here runs on an accelerator."""
