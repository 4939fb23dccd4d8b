"""Where figures are kept; one package per technology."""
