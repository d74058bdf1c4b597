package store_test

const childEnv = "KEYWARD_STORE_TEST_CHILD"

var children = map[string]func(string) int{}
