//! What the process is told about members: keys and mail.

use mail::MailSettings;
use passes::AccessKeys;
use process::Exit;
use sealing::{BlindIndex, KeyRing, parse_ring};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

/// Keys and addresses that members need.
#[derive(Debug, Clone)]
pub struct MemberSettings {
    /// `PERSONAL_DATA_KEYS`: what seals personal data, one key a line.
    pub personal: Arc<KeyRing>,
    /// `BLIND_INDEX_KEY`: what finds it again.
    pub index: BlindIndex,
    /// `MEMBER_TOKEN_KEYS`: what signs access tokens, one key a line.
    pub tokens: Arc<AccessKeys>,
    /// `SMTP_URL` and `MAIL_FROM`: by which server mails go, and from whom.
    pub mail: MailSettings,
    /// `WAITING_ROOM_ORIGIN_SECRET`: what the edge says so that it is believed whose request it forwards.
    pub edge_secret: Option<SecretString>,
}

/// The keys alone, for commands.
#[derive(Debug, Clone)]
pub struct PersonalKeys {
    /// What seals.
    pub personal: Arc<KeyRing>,
    /// What finds.
    pub index: BlindIndex,
}

/// A secret by the name of its variable, or why there is none.
pub(super) type Secret<'a> = &'a dyn Fn(&str) -> Result<Option<SecretString>, String>;

const RING: &str = "one key a line, such as `1 <32 bytes in base64>`; or …_FILE to a file with them";

/// `PERSONAL_DATA_KEYS` and `BLIND_INDEX_KEY`, for commands that need nothing else.
///
/// # Errors
/// Every mistake, one a line.
pub fn personal_keys() -> Result<PersonalKeys, Exit> {
    let secret = |name: &str| process::read_secret(name).map_err(|error| error.to_string());
    let mut mistakes = Vec::new();
    let (personal, index) = (personal(&secret, &mut mistakes), index(&secret, &mut mistakes));
    match (personal, index) {
        (Some(personal), Some(index)) => Ok(PersonalKeys { personal, index }),
        _ => Err(Exit::Usage(mistakes)),
    }
}

impl MemberSettings {
    pub(super) fn read(
        secret: Secret<'_>,
        get: &dyn Fn(&str) -> Option<String>,
        mistakes: &mut Vec<String>,
    ) -> Option<Self> {
        let (personal, index) = (personal(secret, mistakes), index(secret, mistakes));
        let tokens = read(secret, "MEMBER_TOKEN_KEYS", RING, mistakes, |text| {
            let masters = parse_ring(text).map_err(|error| error.to_string())?;
            AccessKeys::derive(&masters).map_err(|error| error.to_string())
        });
        let smtp_url = read(
            secret,
            "SMTP_URL",
            "e.g. to smtp://127.0.0.1:25",
            mistakes,
            |text| {
                let is_smtp = text.starts_with("smtp://") || text.starts_with("smtps://");
                let url = is_smtp.then(|| SecretString::from(text));
                url.ok_or_else(|| "must begin with smtp:// or smtps://".to_owned())
            },
        );
        let edge_secret = secret("WAITING_ROOM_ORIGIN_SECRET").map_err(|problem| mistakes.push(problem));
        let from = get("MAIL_FROM").filter(|from| from.contains('@'));
        if from.is_none() {
            mistakes.push(
                "MAIL_FROM: must be set to the sender of mails, e.g. to The Shop <shop@shop.example>"
                    .to_owned(),
            );
        }
        Some(Self {
            personal: personal?,
            index: index?,
            tokens: Arc::new(tokens?),
            mail: MailSettings {
                smtp_url: smtp_url?,
                from: from?,
            },
            edge_secret: edge_secret.ok()?,
        })
    }
}

fn personal(secret: Secret<'_>, mistakes: &mut Vec<String>) -> Option<Arc<KeyRing>> {
    read(secret, "PERSONAL_DATA_KEYS", RING, mistakes, |text| {
        KeyRing::parse(text)
            .map(Arc::new)
            .map_err(|error| error.to_string())
    })
}

fn index(secret: Secret<'_>, mistakes: &mut Vec<String>) -> Option<BlindIndex> {
    let form = "32 bytes in base64; or …_FILE to a file with them";
    read(secret, "BLIND_INDEX_KEY", form, mistakes, |text| {
        BlindIndex::parse(text).map_err(|error| error.to_string())
    })
}

fn read<T>(
    secret: Secret<'_>,
    name: &str,
    form: &str,
    mistakes: &mut Vec<String>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let parsed = match secret(name) {
        Ok(Some(text)) => parse(text.expose_secret()),
        Ok(None) => Err(format!("must be set: {form}")),
        Err(problem) => Err(problem),
    };
    parsed
        .map_err(|problem| mistakes.push(format!("{name}: {problem}")))
        .ok()
}
