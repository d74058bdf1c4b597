// Package person is somebody at a computer: a real Chromium with a software
// authenticator in it, who signs up at Keyward, signs in, touches and agrees, by the
// pages that everybody gets. Tests of apps and the driver of the conformance suite
// let it do what a person has to do; there is no other way in.
//
// It knows no client and no token, and nothing of the server but its pages.
package person
