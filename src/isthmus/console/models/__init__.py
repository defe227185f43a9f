"""What pages show and send: forms to request bodies, answers to rows and words. Pure."""
