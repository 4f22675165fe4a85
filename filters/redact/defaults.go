package redact

import "regexp"

// defaultKeys are keys whose text is a secret, in requests and answers of AWS services. AWS hides many of them itself,
// but not in every service. accessKeyId is not among them: it is no secret, and evidence of who acted.
func defaultKeys() []string {
	return []string{
		"password", "passwd", "passphrase", "masterUserPassword", "masterPassword", "newPassword", "oldPassword", "userPassword",
		"adminPassword", "dbPassword", "temporaryPassword", "proposedPassword", "previousPassword", "replicationPassword",
		"secret", "secretString", "secretBinary", "secretKey", "secretAccessKey", "secretHash", "clientSecret", "sharedSecret",
		"sessionToken", "securityToken", "authorizationToken", "authToken", "accessToken", "refreshToken", "idToken",
		"bearerToken", "oauthToken", "tokenValue", "apiKey", "apiSecret", "privateKey", "privateKeyPlaintext", "keyMaterial",
		"plaintextKey", "userData", "SAMLAssertion", "webIdentityToken", "credentials_secret", "hmacKey", "preSharedKey",
	}
}

const (
	privateKeyRule  = "private-key"
	privateKeyBegin = "PRIVATE KEY"
	shortestSecret  = 8
)

var (
	privateKeyStart = regexp.MustCompile(`-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----`)
	privateKeyEnd   = regexp.MustCompile(`-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----`)
)

// defaultRules find secrets in text: in commands that were typed in a session, in what they printed, in documents inside
// of strings. Each has lines that it must and must not touch in testdata/corpus.txt.
func defaultRules() []rule {
	list := []struct {
		name, re string
		hints    []string
	}{
		{privateKeyRule, `(?s)-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?P<secret>.*?)(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|$)`, []string{"private key"}},
		{"aws-secret", `(?i)aws_?(?:secret_?access_?key|session_?token|security_?token)["']?\s*[=:]\s*["']?(?P<secret>[A-Za-z0-9/+=_-]{16,})`, []string{"secret", "token"}},
		{"assignment", `(?i)\b[a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api_?key|private_?key|credential)s?["']?\s?(?:=|:=)\s?(?P<secret>"[^"]{3,}"|'[^']{3,}'|[^\s"'&;|<>(){}$]{4,})`, []string{"password", "passwd", "passphrase", "secret", "token", "apikey", "api_key", "privatekey", "private_key", "credential"}},
		{"json-member", `(?i)"[a-z0-9_.-]*(?:password|passwd|passphrase|secret|secretaccesskey|sessiontoken|api_?key|private_?key|access_?token|refresh_?token)"\s*:\s*"(?P<secret>[^"\\]{3,})"`, []string{"password", "passwd", "passphrase", "secret", "token", "apikey", "api_key", "privatekey", "private_key"}},
		{"option", `(?i)(?:^|\s)--?(?:password|passwd|pass|token|secret|api-key|apikey|access-token|auth-token|secret-key|secret-access-key|master-user-password|secret-string|client-secret|private-key)(?:\s+|=)(?P<secret>"[^"]+"|'[^']+'|[^\s"'-][^\s"']{2,})`, []string{"-pass", "-token", "-secret", "-api", "-access", "-auth", "-master", "-client", "-private"}},
		{"mysql", `(?i)\b(?:mysql|mysqldump|mysqladmin|mariadb|mysqlimport)\b[^\n|;&]*?\s-p(?P<secret>"[^"]+"|'[^']+'|[^\s"'-][^\s"']*)`, []string{"mysql", "mariadb"}},
		{"sshpass", `\bsshpass\s+-p\s*(?P<secret>"[^"]+"|'[^']+'|[^\s"']+)`, []string{"sshpass"}},
		{"curl-user", `\b(?:curl|wget|http)\b[^\n|;&]*?\s(?:-u|--user)\s*["']?[^\s:"']+:(?P<secret>[^\s"']+)`, []string{"curl", "wget", "http"}},
		{"authorization", `(?i)\bauthorization["']?\s*[:=]\s*["']?(?:bearer|basic|token|digest|aws4-hmac-sha256)\s+(?P<secret>[^\s"',]{6,})`, []string{"authorization"}},
		{"bearer", `\b[Bb]earer\s+(?P<secret>[A-Za-z0-9._~+/-]{20,}=*)`, []string{"bearer"}},
		{"github-token", `\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})`, []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"}},
		{"gitlab-token", `\bglpat-[A-Za-z0-9_-]{20,}`, []string{"glpat-"}},
		{"slack-token", `\bxox[abeoprs]-[A-Za-z0-9-]{10,}`, []string{"xox"}},
		{"slack-webhook", `hooks\.slack\.com/services/(?P<secret>[A-Za-z0-9/_-]{20,})`, []string{"hooks.slack.com"}},
		{"jwt", `\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`, []string{"eyj"}},
		{"url-password", `(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@"']*:(?P<secret>[^\s/@"']+)@`, []string{"://"}},
		{"stripe-key", `\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}`, []string{"k_live_", "k_test_"}},
	}
	rules := make([]rule, len(list))
	for i, r := range list {
		re := regexp.MustCompile(r.re)
		rules[i] = rule{name: r.name, re: re, secret: max(re.SubexpIndex("secret"), 0), hints: r.hints}
	}
	return rules
}
