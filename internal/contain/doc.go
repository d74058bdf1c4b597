// Package contain stops things: one session, all others, a device with its keys,
// the whole account. It also shows the effect of an act before it is done.
//
// Everything here goes in the safe direction, so most of it asks for little
// proof; what would let a thief lock the owner out (ending everything else,
// removing a device) needs a touch for exactly that act, and lifting a freeze
// does too. It never starts a session and never loosens anything without a
// device.Proof.
package contain
