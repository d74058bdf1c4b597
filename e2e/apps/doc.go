// Package apps tells, in a real browser, what an owner does about an app: what it is
// given, and how that is taken back.
package apps
