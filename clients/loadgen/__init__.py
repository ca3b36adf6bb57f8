"""Load for a maitred server over real sockets: drivers, scenarios as data, measurements, and what is made of them."""
