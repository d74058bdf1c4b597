// Package executor is what moves money for an exchange uses to check that the owner of an account approved exactly this
// withdrawal, before it signs anything.
//
//	v, err := executor.New(executor.Config{
//		Issuer:   "https://login.example.com",
//		Audience: "treasury", // the id of the back end that asked
//		RPID:     "example.com",
//		Origins:  []string{"https://login.example.com"},
//	})
//	confirmed, err := v.Verify(ctx, token, executor.Withdrawal{
//		Account: "acc_…", Asset: "BTC", Network: "bitcoin", Amount: "0.25", MaxFee: "0.0001", Address: "bc1q…",
//	}, time.Now())
//
// It owns the whole decision on one proof: Keyward's signature, every byte of the intent against what is about to be
// sent, the challenge that those bytes make, the signature of the person's own key over that challenge, the end, and
// that the proof was not used before. A server that was taken over can sign a token; it cannot make the person's key
// sign another amount. With Config.Pinned it cannot bring a key of its own either.
//
// It never takes a field from the token: what is sent is what the caller wanted. It imports rs and the standard library.
package executor
