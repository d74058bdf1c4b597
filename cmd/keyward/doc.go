// Command keyward is the account-security server.
//
// main.go reads the command line, app.go wires the parts, the other files hold a
// subcommand each. It never decides anything: what may happen is decided in the
// packages it wires. Only demo.go reaches the demo and its software keys.
package main
