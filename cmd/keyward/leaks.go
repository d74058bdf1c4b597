package main

import (
	"keyward/internal/api"
	"keyward/internal/config"
)

// openGitHubKeys reads the keys that GitHub's scanner signs with; nil where there is no file.
func openGitHubKeys(file string) (*api.GitHubKeys, error) {
	keys, err := api.OpenGitHubKeys(file)
	if err != nil {
		return nil, config.Faults{{Key: "leaks.github_keys_file", What: err.Error(), Why: "reports of GitHub's scanner could not be told from anybody's",
			Fix: "fetch https://api.github.com/meta/public_keys/secret_scanning into it, or remove the line"}}
	}
	return keys, nil
}
