// Package posix proves package posix against programs that nobody of this
// project wrote the libraries of: C with glibc and with musl, and Python. Its
// tests need gcc, musl-gcc and python3, and the build tag interop; without one
// of them they fail and say what to install.
//
//	go test -tags interop ./interop/posix
//	go test -tags interop -run ^$ -bench . ./interop/posix
package posix
