#!/bin/sh
# make_certificates.sh FOLDER: a CA, another CA, and server certificates of every kind a probe meets.
set -eu
cd "$1"

ca() { # NAME
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
	    -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" 2>/dev/null
}

server() { # NAME CA SAN DATES...
	name=$1 ca=$2 san=$3
	shift 3
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
	    -keyout "$name.key" -out "$name.csr" 2>/dev/null
	cat >"$name.cnf" <<END
[ca]
default_ca = d
[d]
database = $name.index
serial = $name.serial
new_certs_dir = .
default_md = sha256
policy = p
[p]
commonName = supplied
[x]
subjectAltName = $san
basicConstraints = CA:FALSE
END
	: >"$name.index"
	echo 01 >"$name.serial"
	openssl ca -batch -notext -config "$name.cnf" -extensions x -cert "$ca.pem" \
	    -keyfile "$ca.key" -in "$name.csr" -out "$name.pem" "$@" 2>/dev/null
}

ca trusted
ca stranger
server good trusted DNS:localhost,IP:127.0.0.1 -days 100
server expired trusted DNS:localhost,IP:127.0.0.1 -startdate 20200101000000Z -enddate 20200201000000Z
server future trusted DNS:localhost,IP:127.0.0.1 -startdate 20900101000000Z -enddate 20910101000000Z
server other-ca stranger DNS:localhost,IP:127.0.0.1 -days 100
server other-host trusted DNS:shop.example -days 100
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 100 -subj /CN=self-signed \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout self-signed.key -out self-signed.pem 2>/dev/null
