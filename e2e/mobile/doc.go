// Package mobile compiles the Kotlin that is there to be copied (examples/mobile/android) with a real compiler, and lets
// it speak to a real server as an app on a phone would.
package mobile
