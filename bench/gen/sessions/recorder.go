package sessions

import "strings"

// transcript is the text as the recorder of the session writes it: script on Linux, which sees "\r\r\n" where the terminal
// was sent "\r\n", and PowerShell on Windows.
func (s *scene) transcript(sc screen) string {
	var b strings.Builder
	for _, st := range sc.steps {
		b.WriteString(st.text)
	}
	if sc.windows {
		return s.powerShell(b.String())
	}
	return s.script(strings.ReplaceAll(b.String(), "\r\n", "\r\r\n"))
}

// script writes what util-linux's script does, of one of its versions. It pads nothing and translates nothing here.
func (s *scene) script(text string) string {
	layout, command, code := "Mon 02 Jan 2006 03:04:05 PM UTC", "", ""
	if !oneIn(s.Rand, 3) {
		layout = "2006-01-02 15:04:05-07:00"
		command = ` [COMMAND="cat ipcTempFile.log" <not executed on terminal>]`
		code = ` [COMMAND_EXIT_CODE="0"]`
	}
	at := s.end.Format(layout)
	return "Script started on " + at + command + "\n" + text + "\nScript done on " + at + code + "\n"
}

func (s *scene) powerShell(text string) string {
	const stars, layout = "**********************\r\n", "20060102150405"
	return stars + "Windows PowerShell transcript start\r\nStart time: " + s.truth.Started.Format(layout) +
		"\r\nUsername: CORP\\ssm-user\r\nMachine: EC2AMAZ-7Q2K9V1 (Microsoft Windows NT 10.0.20348.0)\r\n" + stars + text +
		stars + "Windows PowerShell transcript end\r\nEnd time: " + s.end.Format(layout) + "\r\n" + stars
}
