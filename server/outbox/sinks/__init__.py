"""Where events go. Every sink keeps the promises of `ports.Sink`."""
