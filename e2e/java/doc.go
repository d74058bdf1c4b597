// Package java compiles the Java that is there to be copied (examples/java) with a real javac and lets it hold itself
// to docs/decision-token.md and to the vectors of executor.
package java
