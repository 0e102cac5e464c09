//! `gateway approvals ui`: requests and grants on one screen, as they come and go.
//!
//! `screen` is what it knows and what keys do (pure), `pane` the request that is looked at, `dialog`
//! what is asked before something is decided, `draw` puts it on the terminal. Here keys, the
//! daemon's events and answers come together. A daemon that ends is waited for.

mod dialog;
mod draw;
mod pane;
mod screen;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use ratatui::crossterm::event::{
    self, DisableBracketedPaste, EnableBracketedPaste, Event, KeyEvent, KeyEventKind,
};
use ratatui::crossterm::execute;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use self::screen::{News, Screen, Wish};
use super::decide::outcome;
use super::list::AGAIN;
use crate::cli::failure::Failure;
use crate::control::approvals::Which;
use crate::control::client::{Client, ClientError};

/// Keys and news that wait until the screen has room for them; whoever brings more waits.
const WAITING: usize = 64;
/// How often ages and deadlines are drawn anew.
const TICK: Duration = Duration::from_secs(1);

/// Shows the screen until it is left.
pub(super) async fn run(client: &Client) -> anyhow::Result<ExitCode> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(Failure::new("the screen needs a terminal")
            .help("`gateway approvals list` and `watch` do without")
            .status(2)
            .into());
    }
    // Whoever may not speak to the daemon is told so before the screen is taken.
    let first = client.approvals(Which::Open).await?;
    let (keys, pressed) = channel(WAITING);
    let (tell, news) = channel(WAITING);
    std::thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || read_keys(&keys))
        .context("cannot read keys")?;
    tokio::spawn(follow(client.clone(), tell.clone()));
    let mut terminal = ratatui::try_init().context("cannot take the screen")?;
    // Text that is pasted by mistake must not be taken for keys that decide.
    execute!(io::stdout(), EnableBracketedPaste).context("cannot tell pasted text from keys")?;
    let mut screen = Screen::new(Timestamp::now());
    let wishes = screen.tell(News::Requests(first));
    perform(client, &tell, wishes);
    let shown = show(client, &mut terminal, &mut screen, pressed, news, &tell).await;
    let given_back = execute!(io::stdout(), DisableBracketedPaste);
    ratatui::try_restore()
        .and(given_back)
        .context("cannot give the screen back")?;
    shown.map(|()| ExitCode::SUCCESS)
}

async fn show(
    client: &Client,
    terminal: &mut ratatui::DefaultTerminal,
    screen: &mut Screen,
    mut pressed: Receiver<Event>,
    mut news: Receiver<News>,
    tell: &Sender<News>,
) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(TICK);
    loop {
        screen.now = Timestamp::now();
        terminal.draw(|frame| draw::draw(frame, screen))?;
        let wishes = tokio::select! {
            event = pressed.recv() => match event {
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => screen.press(key),
                Some(Event::Paste(text)) => screen.paste(&text),
                Some(_) => Vec::new(),
                // The terminal is gone.
                None => return Ok(()),
            },
            Some(news) = news.recv() => screen.tell(news),
            _ = tick.tick() => Vec::new(),
        };
        if wishes.contains(&Wish::Leave) {
            return Ok(());
        }
        perform(client, tell, wishes);
    }
}

fn read_keys(keys: &Sender<Event>) {
    while let Ok(event) = event::read() {
        if keys.blocking_send(event).is_err() {
            return;
        }
    }
}

/// Tells what happens; when the daemon ends, waits for the next one.
async fn follow(client: Client, tell: Sender<News>) {
    loop {
        let why = match client.watch().await {
            Ok(mut lines) => {
                if tell.send(News::Back).await.is_err() {
                    return;
                }
                loop {
                    match lines.next().await {
                        Ok(Some(line)) => {
                            if tell.send(News::Happened(Box::new(line))).await.is_err() {
                                return;
                            }
                        }
                        Ok(None) => break "the daemon has ended; waiting for it".to_owned(),
                        Err(error) => break error.to_string(),
                    }
                }
            }
            Err(error) => words(&error),
        };
        if tell.send(News::Gone(why)).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Does what the screen wishes, beside it.
fn perform(client: &Client, tell: &Sender<News>, wishes: Vec<Wish>) {
    for wish in wishes {
        let (client, tell) = (client.clone(), tell.clone());
        tokio::spawn(async move {
            let news = fulfil(&client, wish)
                .await
                .unwrap_or_else(|error| News::Failed(words(&error)));
            // The screen may have been left meanwhile.
            drop(tell.send(news).await);
        });
    }
}

async fn fulfil(client: &Client, wish: Wish) -> Result<News, ClientError> {
    Ok(match wish {
        Wish::Leave => News::Nothing,
        Wish::Load(id) => News::Shown(Box::new(client.approval(id.as_str()).await?)),
        Wish::Requests => News::Requests(client.approvals(Which::Open).await?),
        Wish::Grants => News::Grants(client.grants(Which::Open).await?),
        Wish::Approve(id, request) => {
            let after = client.approve(&id, &request).await?;
            News::Decided(outcome(&after), Box::new(after))
        }
        Wish::Deny(id, request) => {
            let after = client.deny(&id, &request).await?;
            News::Decided(outcome(&after), Box::new(after))
        }
        Wish::Revoke(id) => {
            let grant = client.revoke(id.as_str()).await?;
            News::Revoked(format!("taken back: {}", super::grants::about(&grant)))
        }
    })
}

fn words(error: &ClientError) -> String {
    match error {
        ClientError::Refused { problem, .. } => match &problem.help {
            Some(help) => format!("{}. {help}", problem.error),
            None => problem.error.clone(),
        },
        error => error.to_string(),
    }
}

/// Whether a key is this letter alone.
fn is_letter(key: &KeyEvent, letter: char) -> bool {
    use ratatui::crossterm::event::{KeyCode, KeyModifiers};
    key.code == KeyCode::Char(letter)
        && !key
            .modifiers
            .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}
