// Package sysv proves that package sysv of Isthmus and programs in C, Perl and
// Python, and the tools of util-linux, understand each other:
//
//	go test -tags interop ./interop/sysv
//
// It needs gcc, perl, ipcs and lsipc, python3 and its module sysv_ipc (pip
// install sysv_ipc). What is missing is a failure that says so. The benchmarks,
// go test -tags interop -run ^$ -bench . ./interop/sysv, compare with the same
// exchange in C.
package sysv
