//go:build !linux

package main

import (
	"errors"
	"runtime"
	"syscall"
	"time"
)

// CPU time and memory of another process are read from /proc, so figures come
// from Linux. Elsewhere the program says so instead of guessing.
var errLinux = errors.New("bench reads CPU time and memory from /proc and runs on Linux only")

func dieWithParent(*syscall.SysProcAttr) {}

func cpuTime(int) (time.Duration, error) { return 0, errLinux }

func residentMB(int) (float64, error) { return 0, errLinux }

type machine struct{}

func (machine) String() string { return runtime.GOOS }

func thisMachine() machine { return machine{} }
