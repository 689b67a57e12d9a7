// Package socket holds the tests of package socket against programs that nobody
// here wrote, or that are written in another language, and its benchmarks
// against the raw calls in C. They need -tags interop, and gcc, perl, python3,
// socat and openssl: what is missing fails the tests.
package socket
