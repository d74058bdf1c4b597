package executor_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"keyward/executor"
)

func Example() {
	v, err := executor.New(executor.Config{
		Issuer:   "https://login.example.com",
		Audience: "treasury",
		RPID:     "example.com",
		Origins:  []string{"https://login.example.com"},
	})
	if err != nil {
		log.Fatal(err)
	}
	// From the order in your own database, never from the proof.
	order := executor.Withdrawal{
		Account: "acc_01jp5b0a3v8qk2m9x7c4d6e1fz", Asset: "BTC", Network: "bitcoin", Amount: "0.25", Address: "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
	}
	confirmed, err := v.Verify(context.Background(), "eyJhbGciOiJub25lIn0.e30.", order, time.Now())
	switch {
	case errors.Is(err, executor.ErrUnavailable):
		fmt.Println("try again")
	case err != nil:
		fmt.Println("not sent")
	default:
		fmt.Println("send it, and keep", confirmed.Key)
	}
	// Output: not sent
}
