package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("prepare, plans or drive")
	}
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	switch args[0] {
	case "prepare":
		clients := f.String("clients", "deploy/conformance/clients.json", "the clients, those with keys without them")
		out := f.String("out", "", "an empty folder for clients.json and keys.json")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		return prepare(*clients, *out)
	case "plans":
		dir := f.String("dir", "", "where prepare wrote, with registered.json of `keyward --json client import`")
		issuer := f.String("issuer", "", "public URL of Keyward")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		return plans(*dir, *issuer)
	case "drive":
		api := f.String("suite", "https://localhost.emobix.co.uk:8443", "address of the suite")
		issuer := f.String("issuer", "", "public URL of Keyward")
		mail := f.String("mail", "conformance@keyward.example", "address that the person signs up with")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		return drive(ctx, suite{base: *api, client: trusting(*api)}, *issuer, *mail)
	}
	return fmt.Errorf("%s: prepare, plans or drive", args[0])
}
