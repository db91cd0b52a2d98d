//! One SMTP dialogue (RFC 5321), as far as it is needed to take mails: what is answered to each line.

use crate::mails::{Mails, Recipient};

/// Recipients of one mail.
const RECIPIENTS_MAX: usize = 100;

/// What the server does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Answers, and reads the next command.
    Answer(&'static str),
    /// Answers, and reads a message up to the lone full stop.
    Message(&'static str),
    /// Answers, and hangs up.
    End(&'static str),
}

pub(crate) const GREETING: &str = "220 mailbox ESMTP";
const ABILITIES: &str = "250-mailbox\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 1048576";

/// The envelope of the mail that is being sent.
#[derive(Debug, Default)]
pub(crate) struct Dialogue {
    from: Option<String>,
    to: Vec<String>,
}

impl Dialogue {
    /// What one line means.
    pub fn hear(&mut self, line: &str, mails: &Mails) -> Next {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.begin_anew(ABILITIES),
            "HELO" => self.begin_anew("250 mailbox"),
            "MAIL" => self.from(rest),
            "RCPT" => self.recipient(rest, mails),
            "DATA" if self.to.is_empty() => Next::Answer("503 recipients first"),
            "DATA" => Next::Message("354 end it with a lone full stop"),
            "RSET" => self.begin_anew("250 forgotten"),
            "NOOP" => Next::Answer("250 nothing done"),
            "QUIT" => Next::End("221 goodbye"),
            _ => Next::Answer("502 not known here"),
        }
    }

    /// The envelope, for the message that has come.
    pub fn take_envelope(&mut self) -> (String, Vec<String>) {
        (self.from.take().unwrap_or_default(), std::mem::take(&mut self.to))
    }

    fn begin_anew(&mut self, answer: &'static str) -> Next {
        *self = Self::default();
        Next::Answer(answer)
    }

    fn from(&mut self, rest: &str) -> Next {
        match path(rest, "FROM:") {
            Some(address) => {
                *self = Self {
                    from: Some(address),
                    to: Vec::new(),
                };
                Next::Answer("250 sender taken")
            }
            None => Next::Answer("501 MAIL FROM:<address>"),
        }
    }

    fn recipient(&mut self, rest: &str, mails: &Mails) -> Next {
        let Some(address) = path(rest, "TO:").filter(|address| !address.is_empty()) else {
            return Next::Answer("501 RCPT TO:<address>");
        };
        if self.from.is_none() {
            return Next::Answer("503 the sender first");
        }
        if self.to.len() == RECIPIENTS_MAX {
            return Next::Answer("452 too many recipients");
        }
        match mails.recipient(&address) {
            Recipient::Nobody => Next::Answer("550 there is nobody of that name"),
            Recipient::Busy => Next::Answer("451 busy, try again later"),
            Recipient::Known => {
                self.to.push(address);
                Next::Answer("250 recipient taken")
            }
        }
    }
}

/// The address in `FROM:<address> PARAMETERS`.
fn path(rest: &str, keyword: &str) -> Option<String> {
    let (found, after) = rest.trim_start().split_at_checked(keyword.len())?;
    if !found.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (address, _) = after.trim_start().strip_prefix('<')?.split_once('>')?;
    Some(address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialogue_goes_in_order() {
        let (mut dialogue, mails) = (Dialogue::default(), Mails::default());
        for (line, code) in [
            ("RCPT TO:<ann@x>", "503"),
            ("EHLO me", "250"),
            ("DATA", "503"),
            ("MAIL TO:<ann@x>", "501"),
            ("mail from:<shop@x> SIZE=5", "250"),
            ("DATA", "503"),
            ("RCPT TO:ann", "501"),
            ("RCPT TO:<nobody@x>", "550"),
            ("RCPT TO:<busy@x>", "451"),
            ("RCPT TO:<busy@x>", "451"),
            ("RCPT TO:<busy@x>", "250"),
            ("RCPT TO:<ann@x>", "250"),
            ("VRFY ann", "502"),
            ("DATA", "354"),
        ] {
            let (Next::Answer(answer) | Next::Message(answer) | Next::End(answer)) =
                dialogue.hear(line, &mails);
            assert!(answer.starts_with(code), "{line}: {answer}");
        }
        let envelope = dialogue.take_envelope();
        assert_eq!(
            envelope,
            ("shop@x".to_owned(), vec!["busy@x".to_owned(), "ann@x".to_owned()])
        );
        assert!(matches!(dialogue.hear("QUIT", &mails), Next::End(_)));
    }
}
