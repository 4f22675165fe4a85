package redact

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
	privateKeyRule = "private-key"
	promptRule     = "password-prompt"
	privateKeyHint = "PRIVATE KEY"
	shortestSecret = 8

	word = `(?P<secret>"[^"]+"|'[^']+'|[^\s"'-][^\s"']*)` // an argument that is no option
)

// defaultRules find secrets in text: in commands that were typed in a session, in what they printed, in documents inside
// of strings. Each has lines that it must and must not touch in testdata/rules.
func defaultRules() []rule {
	list := []struct {
		name, re string
		hints    []string
		session  bool
		needs    func(string) bool
		late     bool // what tells the secret comes after it: of one that is cut off nothing can be said
	}{
		{name: privateKeyRule, re: `(?s)` + keyBegin + `(?P<secret>.*?)(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|$)`, hints: []string{"private key"}},
		{name: "aws-secret", re: `(?i)aws_?(?:secret_?access_?key|session_?token|security_?token)["']?\s*[=:]\s*["']?(?P<secret>[A-Za-z0-9/+=_-]{16,})`, hints: []string{"secret", "token"}},
		{name: "assignment", re: `(?i)\b[a-z0-9_.-]*(?:password|passwd|passphrase|secret|secret_?access_?key|token|api_?key|private_?key|credential)s?["']?\s?(?:=|:=)\s?(?P<secret>"[^"]{3,}"|'[^']{3,}'|[^\s"'&;|<>(){}$]{4,})`, hints: []string{"password", "passwd", "passphrase", "secret", "token", "apikey", "api_key", "privatekey", "private_key", "credential"}, needs: has('=')},
		{name: "json-member", re: `(?i)"[a-z0-9_.-]*(?:password|passwd|passphrase|secret|secretaccesskey|sessiontoken|api_?key|private_?key|access_?token|refresh_?token)"\s*:\s*"(?P<secret>[^"\\]{3,})"`, hints: []string{"password", "passwd", "passphrase", "secret", "token", "apikey", "api_key", "privatekey", "private_key"}, needs: has('"')},
		{name: "option", re: `(?i)(?:^|\s)--?(?:password|passwd|pass|passphrase|token|secret|api-key|apikey|access-token|auth-token|secret-key|secret-access-key|master-user-password|secret-string|client-secret|private-key)(?:\s+|=)(?P<secret>"[^"]+"|'[^']+'|[^\s"'-][^\s"']{2,})`, hints: []string{"-pass", "-token", "-secret", "-api", "-access", "-auth", "-master", "-client", "-private"}},
		{name: "mysql", re: `(?i)(?:\b(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump|mysqlimport|mysqlsh)\b[^\n|;&]*?\s-p|\bmysql_pwd=)` + word, hints: []string{"mysql", "mariadb"}},
		{name: "sshpass", re: `\bsshpass\s+(?:-[evP]\s*\S*\s+)*-p\s*(?P<secret>"[^"]+"|'[^']+'|[^\s"']+)`, hints: []string{"sshpass"}},
		{name: "curl-user", re: `\b(?:curl|wget|http)\b[^\n|;&]*?\s(?:-u|--user|--proxy-user|-U)[\s=]*["']?[^\s:"']+:(?P<secret>[^\s"']+)`, hints: []string{"curl", "wget", "http"}},
		{name: "authorization", re: `(?i)\bauthorization["']?\s*[:=]\s*["']?(?:bearer|basic|token|digest|aws4-hmac-sha256)\s+(?P<secret>[^\s"',]{6,})`, hints: []string{"authorization"}},
		{name: "bearer", re: `\b[Bb]earer\s+(?P<secret>[A-Za-z0-9._~+/-]{20,}=*)`, hints: []string{"bearer"}},
		{name: "github-token", re: `\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})`, hints: []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"}},
		{name: "gitlab-token", re: `\bgl(?:pat|ptt|dt|rt|soat|cbt|oas|agent)-[A-Za-z0-9_-]{20,}`, hints: []string{"glpat-", "glptt-", "gldt-", "glrt-", "glsoat-", "glcbt-", "gloas-", "glagent-"}},
		{name: "slack-token", re: `\b(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,}`, hints: []string{"xox", "xapp-"}},
		{name: "slack-webhook", re: `hooks\.slack\.com/services/(?P<secret>[A-Za-z0-9/_-]{20,})`, hints: []string{"hooks.slack.com"}},
		{name: "jwt", re: `\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`, hints: []string{"eyj"}},
		{name: "url-password", re: `(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@"']*:(?P<secret>[^\s/@"']+)@`, hints: []string{"://"}},
		{name: "stripe-key", re: `\b(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,}`, hints: []string{"k_live_", "k_test_", "whsec_"}},

		{name: promptRule, re: promptExpr + `(?P<secret>\S.*?)\s*$`, hints: []string{"password", "passphrase", "pass phrase", "passcode"}, session: true, needs: mayAsk},
		{name: "aws-configure", re: `(?i)\baws (?:secret access key|session token)(?: \[[^\]]*\])?:\s*(?P<secret>[^\s]+)`, hints: []string{"aws se"}, session: true},
		{name: "aws-key-pair", re: `\b(?:AKIA|ASIA)[A-Z0-9]{16}\b[^\n]{0,80}?[\s"'|,:=](?P<secret>[A-Za-z0-9/+]{40})(?:[\s"'|,]|$)`, hints: []string{"akia", "asia"}, session: true},
		{name: "set-command", re: `(?i)\b(?:setx|setenv|set(?:\s+-\w+)+|configure\s+set|config\s+set)\s+\S*(?:password|passwd|passphrase|secret|token|api_?key|private_?key|secret_?access_?key)[\w.]*\s+` + word, hints: []string{"setx", "setenv", "set -", "e set", "g set"}, session: true},
		{name: "google-token", re: `\b(?:AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9._-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})`, hints: []string{"aiza", "ya29.", "gocspx-"}, session: true},
		{name: "service-token", re: `\b(?:hv[sb]\.[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{40,}|do[opr]_v1_[a-f0-9]{40,}|sk-(?:ant|proj)-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{30,}|dckr_pat_[A-Za-z0-9_-]{20,}|AGE-SECRET-KEY-1[A-Z0-9]{50,})`, hints: []string{"hvs.", "hvb.", "npm_", "pypi-", "doo_v1_", "dop_v1_", "dor_v1_", "sk-ant-", "sk-proj-", "hf_", "sg.", "dckr_pat_", "age-secret-key-"}, session: true},
		{name: "login", re: `(?i)(?:\b(?:docker|podman|nerdctl|buildah|skopeo|helm|oras|crane|az|oc|cf|argocd)(?:\.exe)?\s[^\n|;&]*?\blogin\b|\bmongo(?:sh|dump|restore)?\b)[^\n|;&]*?\s-p[\s=]*` + word, hints: []string{"login", "mongo"}, session: true},
		{name: "client-option", re: `\b(?:redis-cli\b[^\n|;&]*?\s-a|ldap(?:search|modify|add|delete|whoami|passwd)\b[^\n|;&]*?\s-w|(?:sqlcmd|bcp)\b[^\n|;&]*?\s-P|(?:zip|unzip)\b[^\n|;&]*?\s-P|smbclient\b[^\n|;&]*?\s-U\s*[^\s%]+%)\s*` + word, hints: []string{"redis-cli", "ldap", "sqlcmd", "bcp", "zip", "smbclient"}, session: true},
		{name: "pass-argument", re: `(?i)-pass(?:in|out|word|phrase)?[\s=]+["']?pass:(?P<secret>[^\s"']+)`, hints: []string{"-pass"}, session: true},
		{name: "http-header", re: `(?i)\b(?:x-api-key|x-auth-token|x-vault-token|x-amz-security-token|private-token|job-token|api-key|apikey|x-access-token|proxy-authorization)["']?\s*:\s*["']?(?:(?:basic|bearer)\s+)?(?P<secret>[^\s"',]{6,})`, hints: []string{"x-api-key", "x-auth-token", "x-vault-token", "x-amz-security-token", "private-token", "job-token", "api-key", "apikey", "x-access-token", "proxy-authorization"}, session: true},
		{name: "connection-string", re: `(?i)\b(?:server|data source|host|hostname|address|user id|uid|user|accountname|endpoint|dsn|driver|database|initial catalog)\s*=[^\n]*?[;\s](?:pwd|password|accountkey|sharedaccesskey)\s*=\s*(?P<secret>"[^"]+"|'[^']+'|[^;"'\s]+)`, hints: []string{"pwd", "password", "accountkey", "sharedaccesskey"}, session: true, needs: has('=')},
		{name: "secure-string", re: `(?i)\bConvertTo-SecureString\s+(?:-(?:String|AsPlainText|Force)\s+)*(?P<secret>"[^"]+"|'[^']+'|[^\s"'$-][^\s"']*)`, hints: []string{"convertto-securestring"}, session: true},
		{name: "net-user", re: `(?i)\bnet1?(?:\.exe)?\s+user\s+(?:"[^"]+"|[^\s/"]+)\s+(?P<secret>"[^"]+"|[^\s/*"][^\s"]*)`, hints: []string{" user "}, session: true},
		{name: "piped-password", re: `\b(?:echo|printf)\s+(?:-\w+\s+)*(?:["']?[\w.-]+:)?(?P<secret>"[^"|]+"|'[^'|]+'|[^\s|"']+)["']?\s*\|\s*(?:sudo\s+(?:-\w+\s+)*-\w*S|(?:sudo\s+)?(?:chpasswd|passwd\b[^|]*--stdin)|[^|]*--pass(?:word|phrase)-(?:stdin|fd))`, hints: []string{"chpasswd", "-stdin", "-fd", "sudo "}, session: true, late: true, needs: has('|')},
	}
	rules := make([]rule, len(list))
	for i, r := range list {
		var err error
		if rules[i], err = newRule(r.name, r.re, r.hints...); err != nil {
			panic(err) // a test compiles them all
		}
		rules[i].session, rules[i].needs = r.session, r.needs
		if r.late {
			rules[i].open = nil
		}
	}
	return rules
}
