package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// dropStart lets go of the pages of the program that the start has read: descriptors,
// tables, texts that are parsed once. They are the file's own and unchanged, so whatever
// is needed again is there again; serving needs about half of them. Writable parts are
// left alone.
func dropStart() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var from, to uintptr
		var perms string
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &perms); n != 3 || !strings.HasSuffix(lines.Text(), " "+self) || strings.Contains(perms, "w") {
			continue
		}
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED)
	}
}
