// Package job owns work that is done later: mails, webhooks, sweeps. A job is
// enqueued in the transaction that asks for it, so it exists exactly when the
// change does.
//
// A [Runner] takes due jobs under a lease, runs their handler and retries with
// growing pauses; after the last try a job is dead and stays for people to see.
// Two runners never hold one job at the same time. A runner that is killed, or
// stops for longer than its lease, loses the job to another one, so a handler
// may see a job again and must tell by what it did itself (a Message-ID, a
// unique row) whether it is done.
//
// It never decides what is to be done, never keeps a payload after success, and
// never stores an error text that was not made for it ([Failure]).
package job
