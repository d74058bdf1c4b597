# What Keyward needs of OpenBao or Vault with kek.kind: transit, and no more. The key is
# made once by whoever runs the vault:
#
#   bao secrets enable transit
#   bao write -f transit/keys/keyward type=aes256-gcm96
#   bao policy write keyward openbao-policy.hcl
#
# Taking the second line away, or the login, stops every Keyward within 15 minutes.
# The default policy, which most logins carry, lets a token look at and renew itself.
path "transit/encrypt/keyward" { capabilities = ["update"] }
path "transit/decrypt/keyward" { capabilities = ["update"] }
