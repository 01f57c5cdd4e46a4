"""One module per view: one blueprint, one template folder."""
