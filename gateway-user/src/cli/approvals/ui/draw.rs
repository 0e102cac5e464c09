//! Puts the screen on the terminal. Everything that is drawn was made harmless before.

use anstyle::Style;
use ratatui::Frame;
use ratatui::layout::{Constraint, Direction, Layout, Rect};
use ratatui::style::{Color, Modifier, Style as Drawn};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::dialog::Dialog;
use super::screen::{Screen, Tab};
use crate::cli::approvals::view::Row;
use crate::cli::approvals::{grants, list, view};
use crate::cli::printable::{BAD, DIM, DOUBTFUL, STRONG, line};
use crate::control::approvals::api::Brief;

/// From this width on the list stands beside the request.
const WIDE: u16 = 120;
/// How much the list takes then, in columns; and else at most, in rows.
const BESIDE: u16 = 48;
const ABOVE: u16 = 7;

/// Draws it.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &mut Screen) {
    let [head, body, note, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(heading(screen), head);
    match screen.tab {
        Tab::Requests => requests(frame, screen, body),
        Tab::Grants => granted(frame, screen, body),
    }
    if let Some((style, text)) = &screen.note {
        frame.render_widget(Span::styled(text.clone(), drawn(*style)), note);
    }
    frame.render_widget(help(screen), keys);
    if let Some(dialog) = &screen.dialog {
        ask(frame, dialog);
    }
}

fn heading(screen: &Screen) -> Line<'static> {
    let tab = |name: String, is_on: bool| {
        let style = if is_on {
            Drawn::new().add_modifier(Modifier::REVERSED)
        } else {
            Drawn::new()
        };
        Span::styled(format!(" {name} "), style)
    };
    let requests = format!("requests {}", screen.requests.len());
    let granted = format!("grants {}", screen.grants.len());
    let mut spans = vec![
        Span::styled("gateway approvals  ", drawn(STRONG)),
        tab(requests, screen.tab == Tab::Requests),
        Span::raw(" "),
        tab(granted, screen.tab == Tab::Grants),
    ];
    if let Some(why) = &screen.gone {
        spans.push(Span::styled(format!("  {why}"), drawn(BAD)));
    }
    Line::from(spans)
}

/// What keys do now. The one that approves is bright only where it does.
fn help(screen: &Screen) -> Line<'static> {
    let dim = |text: &'static str| Span::styled(text, drawn(DIM));
    match (&screen.dialog, screen.tab) {
        (Some(_), _) => dim("enter do it   esc back   tab next field   ←/→ choose").into(),
        (None, Tab::Requests) => {
            let style = if screen.may_approve() { STRONG } else { DIM };
            Line::from(vec![
                dim("↑/↓ choose  space/b page  g/G top/end  "),
                Span::styled("a approve", drawn(style)),
                dim("  d deny  tab grants  q leave"),
            ])
        }
        (None, Tab::Grants) => dim("↑/↓ choose   x take back   tab requests   q leave").into(),
    }
}

fn requests(frame: &mut Frame<'_>, screen: &mut Screen, area: Rect) {
    let is_wide = area.width >= WIDE;
    let (direction, size) = match is_wide {
        true => (Direction::Horizontal, BESIDE),
        false => (Direction::Vertical, above(screen.requests.len())),
    };
    let both = [Constraint::Length(size), Constraint::Min(3)];
    let [beside, pane] = Layout::new(direction, both).areas(area);
    let block = Block::bordered().title(" waiting ");
    let inside = block.inner(beside);
    frame.render_widget(block, beside);
    let place = screen
        .requests
        .iter()
        .position(|it| Some(&it.id) == screen.chosen.as_ref());
    let rows = screen.requests.iter().map(|brief| entry(brief, screen));
    let rows: Vec<_> = rows.collect();
    rows_with(frame, inside, rows, place);
    if screen.requests.is_empty() {
        frame.render_widget(Span::styled("nothing waits for you", drawn(DIM)), inside);
    }
    looked_at(frame, screen, pane);
}

/// Rows of the list with its frame.
fn above(requests: usize) -> u16 {
    let rows = requests.max(1).saturating_add(2);
    u16::try_from(rows).unwrap_or(ABOVE).min(ABOVE)
}

fn entry(brief: &Brief, screen: &Screen) -> Line<'static> {
    let mine = if brief.yours { "* " } else { "  " };
    let left = match brief.closed {
        None => view::left(brief.deadline, screen.now),
        Some(_) => "over".to_owned(),
    };
    let rules: Vec<_> = brief.rules.iter().map(|it| it.as_str()).collect();
    Line::from(vec![
        Span::styled(mine, drawn(STRONG)),
        Span::raw(format!("{} ", list::short(brief))),
        Span::styled(format!("{left:>7} "), drawn(DOUBTFUL)),
        Span::raw(format!(
            "{} {} {} ",
            line(brief.workload.as_str()),
            line(brief.resource.as_str()),
            line(&rules.join(","))
        )),
        Span::styled(list::beginning(brief), drawn(DIM)),
    ])
}

fn looked_at(frame: &mut Frame<'_>, screen: &mut Screen, area: Rect) {
    let now = screen.now;
    let Some(pane) = &mut screen.pane else {
        frame.render_widget(Block::bordered(), area);
        return;
    };
    let inside = Block::bordered().inner(area);
    let (width, height) = (usize::from(inside.width), usize::from(inside.height));
    let rows: Vec<_> = pane.lay_out(width, height, now).iter().map(shown).collect();
    frame.render_widget(Paragraph::new(rows), inside);
    let (first, last, all) = pane.place();
    let title = format!(" rows {first} to {last} of {all} ");
    let (style, below) = match (pane.below(), pane.is_read()) {
        (0, _) => (DIM, " the end is shown ".to_owned()),
        (more, true) => (DIM, format!(" {more} more below ")),
        (more, false) => (DOUBTFUL, format!(" {more} MORE BELOW, space goes on ")),
    };
    let block = Block::bordered()
        .title(title)
        .title_bottom(Line::from(Span::styled(below, drawn(style))).right_aligned());
    frame.render_widget(block, area);
}

fn shown(row: &Row) -> Line<'static> {
    let spans = row.pieces.iter();
    Line::from_iter(spans.map(|(style, text)| Span::styled(text.clone(), drawn(*style))))
}

fn granted(frame: &mut Frame<'_>, screen: &Screen, area: Rect) {
    let block = Block::bordered().title(" what passes without being asked for again ");
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let place = screen
        .grants
        .iter()
        .position(|it| Some(&it.id) == screen.chosen_grant.as_ref());
    let rows = screen.grants.iter().map(|grant| {
        let uses = match grant.max_uses {
            Some(most) => format!("{}/{most} uses", grant.uses),
            None => format!("{} uses", grant.uses),
        };
        let left = grants::lasts(grant, screen.now);
        Line::from(vec![
            Span::styled(format!("{left:>9}  "), drawn(DOUBTFUL)),
            Span::raw(format!("{uses}  {}", grants::about(grant))),
        ])
    });
    let rows: Vec<_> = rows.collect();
    rows_with(frame, inside, rows, place);
    if screen.grants.is_empty() {
        frame.render_widget(Span::styled("nothing", drawn(DIM)), inside);
    }
}

/// Rows of a list, scrolled so that the chosen one is on the screen.
fn rows_with(frame: &mut Frame<'_>, area: Rect, rows: Vec<Line<'static>>, chosen: Option<usize>) {
    let height = usize::from(area.height);
    let top = chosen.map_or(0, |place| place.saturating_add(1).saturating_sub(height));
    let rows = rows.into_iter().enumerate().skip(top).take(height);
    let rows = rows.map(|(place, row)| match Some(place) == chosen {
        true => row.style(Drawn::new().add_modifier(Modifier::REVERSED)),
        false => row,
    });
    frame.render_widget(Paragraph::new(rows.collect::<Vec<_>>()), area);
}

fn ask(frame: &mut Frame<'_>, dialog: &Dialog) {
    let fields = dialog.fields();
    let rows = u16::try_from(fields.len()).unwrap_or(u16::MAX);
    let area = frame.area();
    let width = area.width.min(76);
    let height = rows.saturating_add(5).min(area.height);
    let area = area.centered(Constraint::Length(width), Constraint::Length(height));
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(format!(" {} ", dialog.title()));
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let mut lines = Vec::new();
    let room = usize::from(inside.width).saturating_sub(14);
    for (place, (name, value)) in fields.into_iter().enumerate() {
        let is_on = place == dialog.focus;
        // Of a long text its end is what is being written.
        let count = value.chars().count();
        let end: String = value.chars().skip(count.saturating_sub(room)).collect();
        let cursor = if is_on { "_" } else { "" };
        let style = if is_on { STRONG } else { Style::new() };
        lines.push(Line::from(vec![
            Span::styled(format!("{name:>10}  "), drawn(DIM)),
            Span::styled(format!("{}{cursor}", line(&end)), drawn(style)),
        ]));
    }
    lines.push(Line::default());
    let (style, text) = match &dialog.problem {
        Some(problem) => (BAD, problem.clone()),
        None => (Style::new(), dialog.summary()),
    };
    let wrapped = view::wrap(&[Row::of(style, text)], usize::from(inside.width));
    lines.extend(wrapped.iter().map(shown));
    frame.render_widget(Paragraph::new(lines), inside);
}

/// A style of the command line as it is drawn here.
fn drawn(style: Style) -> Drawn {
    let mut drawn = Drawn::new();
    let color = style.get_fg_color().and_then(|color| match color {
        anstyle::Color::Ansi(anstyle::AnsiColor::Red) => Some(Color::Red),
        anstyle::Color::Ansi(anstyle::AnsiColor::Green) => Some(Color::Green),
        anstyle::Color::Ansi(anstyle::AnsiColor::Yellow) => Some(Color::Yellow),
        _ => None,
    });
    if let Some(color) = color {
        drawn = drawn.fg(color);
    }
    let effects = style.get_effects();
    if effects.contains(anstyle::Effects::BOLD) {
        drawn = drawn.add_modifier(Modifier::BOLD);
    }
    if effects.contains(anstyle::Effects::DIMMED) {
        drawn = drawn.add_modifier(Modifier::DIM);
    }
    drawn
}
