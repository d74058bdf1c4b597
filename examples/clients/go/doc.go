// Command go is a bot that signs its requests with the native profile keyward-v1. keyward.go is the whole of it, to be
// copied; rotate.go replaces its key. They need the standard library only.
package main
