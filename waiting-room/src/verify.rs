//! `waiting-room verify`: checks a public log as anybody can, without trust in the edge that wrote it.

mod report;

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Args;
use fairness::{Audit, Head, Leaf, Receipt, hex};
use process::Exit;
use std::{io::Write, path::Path, time::Duration};

/// More than any log: a million groups of joins are a tenth of it.
const LOG_MAX: usize = 1 << 30;
const PATIENCE: Duration = Duration::from_secs(60);

/// Checks the public log of a room's draws: the chain of its lines, the secrets and what was committed to, the beacon's
/// signatures, that every number joined once and was drawn once, and that nobody was called before the draw.
/// Ends with 0 if nothing is wrong, 1 if something is, 64 if the question cannot be read.
#[derive(Debug, Args)]
pub struct Verify {
    /// The log: a file, or its address, such as <https://shop.example/.waiting-room/drop/log>.
    #[arg(long)]
    log: String,
    /// A receipt, to be looked up in the log; as the cookie has it, or with --ticket.
    #[arg(long, conflicts_with = "number")]
    receipt: Option<String>,
    /// A ticket: its 96 characters, or the 24 lower case hexadecimal digits of its id.
    #[arg(long, conflicts_with = "number")]
    ticket: Option<String>,
    /// With --number: the lane.
    #[arg(long, default_value_t = 0, requires = "number")]
    lane: u8,
    /// A number, as the log counts them: from 0.
    #[arg(long)]
    number: Option<u64>,
    /// A head of the log that was noted earlier; may be repeated.
    #[arg(long)]
    head: Vec<String>,
}

/// What is asked of the log, beyond whether it is in order.
#[derive(Debug, Default)]
struct Question {
    /// Whose place is asked for: lane and number.
    place: Option<(u8, u64)>,
    /// What should be in the log.
    receipt: Option<(Receipt, Leaf)>,
    /// The room and the line that a ticket is of: four bytes of a hash, and the epoch.
    line: Option<([u8; 4], u32)>,
    /// What the log's head once was.
    heads: Vec<Head>,
}

/// Checks a log and prints what it says.
///
/// # Errors
/// When the question or the log cannot be read, or when something is wrong with the log.
pub fn run(options: &Verify) -> Result<(), Exit> {
    let usage = |error: anyhow::Error| Exit::Usage(vec![format!("{error:#}")]);
    let question = question(options).map_err(usage)?;
    let log = read_log(&options.log).map_err(usage)?;
    let (lines, problems) = report::report(&Audit::of(&log), &question);
    let mut text = lines.join("\n") + "\n";
    problems
        .iter()
        .for_each(|problem| text += &format!("{problem}\n"));
    if problems.is_empty() {
        text += "nothing is wrong\n";
    }
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("print the report")?;
    match problems.len() {
        0 => Ok(()),
        several => Err(Exit::Failed(anyhow::anyhow!("{several} problem(s)"))),
    }
}

/// The log, as text: a byte that is no text makes its line unreadable, which the audit tells.
fn read_log(place: &str) -> anyhow::Result<String> {
    let bytes = if place.starts_with("http://") || place.starts_with("https://") {
        process::install_tls();
        let runtime = tokio::runtime::Runtime::new().context("start a runtime")?;
        runtime.block_on(fetch(place)).context("fetch the log")?
    } else {
        std::fs::read(Path::new(place)).with_context(|| format!("read {place}"))?
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn fetch(address: &str) -> anyhow::Result<Vec<u8>> {
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let mut answer = client.get(address).send().await?.error_for_status()?;
    let mut log = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        ensure!(log.len() + chunk.len() <= LOG_MAX, "the log is too long");
        log.extend_from_slice(&chunk);
    }
    Ok(log)
}

fn question(options: &Verify) -> anyhow::Result<Question> {
    let mut question = Question {
        place: options.number.map(|number| (options.lane, number)),
        ..Question::default()
    };
    for head in &options.head {
        let head = Head::parse(head).context("a head is 64 lower case hexadecimal digits")?;
        question.heads.push(head);
    }
    // The cookie has the receipt, the ticket's id and the number.
    let mut parts = options.receipt.as_deref().unwrap_or_default().split('~');
    let receipt = parts.next().filter(|text| !text.is_empty());
    let ticket = options.ticket.as_deref().or(parts.next());
    let id = match ticket {
        Some(ticket) if ticket.len() == 24 => {
            Some(hex::array(ticket).context("a ticket's id is 24 lower case hexadecimal digits")?)
        }
        Some(ticket) => Some(read_ticket(ticket, &mut question)?),
        None => None,
    };
    if let Some(text) = receipt {
        let (receipt, id) = (Receipt::parse(text)?, id.context("--receipt needs --ticket")?);
        let place = (receipt.lane, receipt.number());
        let same = question.place.is_none_or(|known| known == place);
        ensure!(same, "the receipt is not of this ticket");
        question.place = Some(place);
        question.receipt = Some((receipt, id));
    }
    ensure!(
        id.is_none() || question.place.is_some(),
        "a ticket's id alone needs --receipt"
    );
    Ok(question)
}

/// What a ticket says. Its signature is the edge's affair: here it is only what somebody asks about.
fn read_ticket(text: &str, question: &mut Question) -> anyhow::Result<Leaf> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let ticket: Option<[u8; 72]> = bytes.and_then(|bytes| bytes.try_into().ok());
    let ticket = ticket.filter(|ticket| ticket[0] == 1);
    let ticket = ticket.context("a ticket is 96 characters, its id 24 lower case hexadecimal digits")?;
    let mut rest = ticket.as_slice();
    let _ = take::<3>(&mut rest);
    let [lane] = take(&mut rest);
    let (room, epoch) = (take(&mut rest), u32::from_be_bytes(take(&mut rest)));
    let number = u64::from_be_bytes(take(&mut rest));
    let _issued_at = take::<8>(&mut rest);
    question.place = Some((lane, number));
    question.line = Some((room, epoch));
    Ok(take(&mut rest))
}

/// The next bytes of a layout that is long enough.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    if let Some((head, tail)) = rest.split_at_checked(N) {
        bytes.copy_from_slice(head);
        *rest = tail;
    }
    bytes
}
