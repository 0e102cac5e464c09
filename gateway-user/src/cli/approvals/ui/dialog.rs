//! What is asked before something is decided: how far an approval goes, why something is denied,
//! whether a grant is really taken back.

use std::time::Duration;

use gateway_core::approvals::scope::Closeness;
use gateway_core::duration;
use gateway_core::ids::{ActionDigest, GrantId, RequestId};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::is_letter;
use super::screen::Wish;
use crate::cli::approvals::view;
use crate::control::approvals::api::{ApproveRequest, DenyRequest, Reach};

/// The longest text that is taken, in characters.
const LONGEST: usize = 500;

/// What is asked.
#[derive(Debug)]
pub(super) struct Dialog {
    pub(super) about: About,
    /// The field that keys go to.
    pub(super) focus: usize,
    /// What is wrong with what was entered.
    pub(super) problem: Option<String>,
}

#[derive(Debug)]
pub(super) enum About {
    Approve(Approve),
    Deny {
        request: RequestId,
        digest: ActionDigest,
        reason: String,
    },
    Revoke {
        grant: GrantId,
        what: String,
    },
}

#[derive(Debug)]
pub(super) struct Approve {
    request: RequestId,
    digest: ActionDigest,
    reach: Reach,
    closeness: Closeness,
    lasting: String,
    uses: String,
    rows: String,
    comment: String,
}

/// What a key in a dialog brings about.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Stay,
    Close,
    Do(Wish),
}

impl Dialog {
    pub(super) fn approve(request: RequestId, digest: ActionDigest) -> Self {
        Self::new(About::Approve(Approve {
            request,
            digest,
            reach: Reach::Once,
            closeness: Closeness::Facts,
            lasting: "15m".to_owned(),
            uses: String::new(),
            rows: String::new(),
            comment: String::new(),
        }))
    }

    pub(super) fn deny(request: RequestId, digest: ActionDigest) -> Self {
        Self::new(About::Deny {
            request,
            digest,
            reason: String::new(),
        })
    }

    pub(super) fn revoke(grant: GrantId, what: String) -> Self {
        Self::new(About::Revoke { grant, what })
    }

    fn new(about: About) -> Self {
        Self {
            about,
            focus: 0,
            problem: None,
        }
    }

    /// The request that it is about.
    pub(super) fn request(&self) -> Option<(&RequestId, &ActionDigest)> {
        match &self.about {
            About::Approve(Approve {
                request, digest, ..
            })
            | About::Deny {
                request, digest, ..
            } => Some((request, digest)),
            About::Revoke { .. } => None,
        }
    }

    /// What it is about.
    pub(super) fn title(&self) -> &'static str {
        match &self.about {
            About::Approve(_) => "approve",
            About::Deny { .. } => "deny",
            About::Revoke { .. } => "take a grant back",
        }
    }

    /// The fields with what is in them.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        match &self.about {
            About::Approve(it) => it.fields(),
            About::Deny { reason, .. } => vec![("reason", reason.clone())],
            About::Revoke { what, .. } => vec![("grant", what.clone())],
        }
    }

    /// What it comes to.
    pub(super) fn summary(&self) -> String {
        match &self.about {
            About::Approve(it) => match it.wish() {
                Ok((_, request)) => match request.scope() {
                    Ok(scope) => format!("approve {}", view::reach(&scope)),
                    Err(why) => why.to_owned(),
                },
                Err(why) => why.to_owned(),
            },
            About::Deny { .. } => "the reason is told to the agent".to_owned(),
            About::Revoke { .. } => "what passed by it and still runs is ended".to_owned(),
        }
    }

    pub(super) fn press(&mut self, key: &KeyEvent) -> Step {
        let fields = self.fields().len();
        match key.code {
            KeyCode::Esc => return Step::Close,
            KeyCode::Enter => return self.done(),
            KeyCode::Tab | KeyCode::Down => self.focus = (self.focus + 1) % fields.max(1),
            KeyCode::BackTab | KeyCode::Up => {
                self.focus = self
                    .focus
                    .checked_sub(1)
                    .unwrap_or(fields.saturating_sub(1));
            }
            KeyCode::Left => self.choose(false),
            KeyCode::Right => self.choose(true),
            KeyCode::Backspace => {
                if let Some(text) = self.text() {
                    text.pop();
                }
            }
            KeyCode::Char(' ') if self.text().is_none() => self.choose(true),
            KeyCode::Char('u') if key.modifiers == KeyModifiers::CONTROL => {
                if let Some(text) = self.text() {
                    text.clear();
                }
            }
            KeyCode::Char(letter) if is_letter(key, letter) => self.enter(&letter.to_string()),
            _ => {}
        }
        self.problem = None;
        Step::Stay
    }

    /// Takes text, on one line.
    pub(super) fn enter(&mut self, more: &str) {
        if let Some(text) = self.text() {
            let room = LONGEST.saturating_sub(text.chars().count());
            let plain = more.chars().filter(|letter| !letter.is_control());
            text.extend(plain.take(room));
        }
    }

    fn done(&mut self) -> Step {
        let wish = match &self.about {
            About::Approve(it) => match it.wish() {
                Ok((id, request)) => Wish::Approve(id, Box::new(request)),
                Err(why) => {
                    self.problem = Some(why.to_owned());
                    return Step::Stay;
                }
            },
            About::Deny {
                request,
                digest,
                reason,
            } => {
                let comment = Some(reason.trim().to_owned()).filter(|it| !it.is_empty());
                let digest = digest.clone();
                Wish::Deny(request.clone(), DenyRequest { digest, comment })
            }
            About::Revoke { grant, .. } => Wish::Revoke(grant.clone()),
        };
        Step::Do(wish)
    }

    /// The text that keys go to.
    fn text(&mut self) -> Option<&mut String> {
        match &mut self.about {
            About::Approve(it) => it.text(self.focus),
            About::Deny { reason, .. } => Some(reason),
            About::Revoke { .. } => None,
        }
    }

    fn choose(&mut self, forward: bool) {
        let About::Approve(it) = &mut self.about else {
            return;
        };
        match it.fields().get(self.focus).map(|(name, _)| *name) {
            Some(SCOPE) => it.reach = turned(&REACHES, it.reach, forward),
            Some(LIKE) => it.closeness = turned(&LIKES, it.closeness, forward),
            _ => {}
        }
    }
}

const SCOPE: &str = "scope";
const LIKE: &str = "like it";
const LASTING: &str = "for";
const USES: &str = "most uses";
const ROWS: &str = "most rows";
const COMMENT: &str = "comment";
const REACHES: [Reach; 3] = [Reach::Once, Reach::Session, Reach::Workload];
const LIKES: [Closeness; 3] = [Closeness::Facts, Closeness::Text, Closeness::Parameters];

impl Approve {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let reach = match self.reach {
            Reach::Once => "once",
            Reach::Session => "this session",
            Reach::Workload => "the workload",
        };
        let mut fields = vec![(SCOPE, format!("< {reach} >"))];
        if self.reach != Reach::Once {
            let like = match self.closeness {
                Closeness::Facts => "the same sort of thing to the same objects",
                Closeness::Text => "the same statement",
                Closeness::Parameters => "the same statement and parameters",
            };
            fields.push((LIKE, format!("< {like} >")));
            fields.push((LASTING, self.lasting.clone()));
            fields.push((USES, self.uses.clone()));
            fields.push((ROWS, self.rows.clone()));
        }
        fields.push((COMMENT, self.comment.clone()));
        fields
    }

    fn text(&mut self, focus: usize) -> Option<&mut String> {
        match *self.fields().get(focus).map(|(name, _)| name)? {
            LASTING => Some(&mut self.lasting),
            USES => Some(&mut self.uses),
            ROWS => Some(&mut self.rows),
            COMMENT => Some(&mut self.comment),
            _ => None,
        }
    }

    /// What was entered, or what is wrong with it.
    fn wish(&self) -> Result<(RequestId, ApproveRequest), &'static str> {
        let number = |text: &str| match text.trim() {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| "uses and rows are numbers"),
        };
        let goes_on = self.reach != Reach::Once;
        let lasting = match self.lasting.trim() {
            "" => None,
            text => Some(duration::parse(text).ok_or("write a span of time such as 15m or 1h30m")?),
        };
        if self.reach == Reach::Workload && lasting.is_none() {
            return Err("for the workload, say for how long");
        }
        let comment = Some(self.comment.trim().to_owned()).filter(|it| !it.is_empty());
        let request = ApproveRequest {
            digest: self.digest.clone(),
            scope: self.reach,
            lasting_s: lasting
                .filter(|_| goes_on)
                .map(|span: Duration| span.as_secs()),
            closeness: goes_on.then_some(self.closeness),
            max_uses: number(&self.uses)?.filter(|_| goes_on),
            max_rows: number(&self.rows)?.filter(|_| goes_on),
            comment,
        };
        Ok((self.request.clone(), request))
    }
}

/// The next one, or the one before.
fn turned<T: Copy + PartialEq>(all: &[T], now: T, forward: bool) -> T {
    let place = all.iter().position(|one| *one == now).unwrap_or_default();
    let step = if forward {
        1
    } else {
        all.len().saturating_sub(1)
    };
    let next = (place + step) % all.len().max(1);
    all.get(next).copied().unwrap_or(now)
}
