//! From CEL's syntax to a [`Test`]: every name is a fact, every type fits, and nothing is left that
//! could fail later.

use std::ops::Range;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, operators};
use regex::RegexBuilder;

use super::{Claimed, Expression, List, Number, Order, Parsed, Relation, Slot, Test, Text, When};
use crate::facts::{Attribute, Scope, Type};
use crate::policy::claims::{ClaimType, Issuer};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::matching::{MAX_REGEX, slot_of};

/// A compiled regular expression of this size, in bytes, takes a step for each byte of text.
const SMALL_REGEX: usize = MAX_REGEX / 256;

/// What can be called, for whoever called something else.
const FUNCTIONS: &str =
    "known are: startsWith, endsWith, contains, matches, size, has, all, exists";

/// A part of a condition, by its type.
enum Typed {
    Test(Test),
    Number(Number),
    Text(Text),
    List(List),
    Numbers(Box<[Number]>),
}

impl Typed {
    fn is(&self) -> &'static str {
        match self {
            Self::Test(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Numbers(_) => "a list of numbers",
        }
    }
}

/// Something is wrong, and has been told.
struct Told;

type Checked<T> = Result<T, Told>;

pub(super) fn check(
    parsed: &Parsed,
    attributes: &[Attribute],
    issuer: Option<&Issuer>,
    missing: &mut Vec<(String, Range<usize>)>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<When> {
    let mut checker = Checker {
        parsed,
        attributes,
        issuer,
        missing,
        diagnostics,
        element: None,
        acts: false,
        process: false,
        moment: false,
    };
    let test = checker.test(&parsed.tree).ok()?;
    Some(When {
        source: parsed.source.clone(),
        test,
        acts: checker.acts,
        process: checker.process,
        moment: checker.moment,
    })
}

struct Checker<'a> {
    parsed: &'a Parsed,
    attributes: &'a [Attribute],
    /// Whose claims the rule is about.
    issuer: Option<&'a Issuer>,
    missing: &'a mut Vec<(String, Range<usize>)>,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// What `all` or `exists` calls the value at hand.
    element: Option<String>,
    acts: bool,
    process: bool,
    moment: bool,
}

impl Checker<'_> {
    fn wrong<T>(&mut self, at: &IdedExpr, message: &str, help: &str) -> Checked<T> {
        let diagnostic = Diagnostic::error(self.parsed.place(self.part(at)), message);
        self.diagnostics.push(if help.is_empty() {
            diagnostic
        } else {
            diagnostic.help(help)
        });
        Err(Told)
    }

    /// Where a part is in the condition. The parser tells of a name its last dot, and of a call its
    /// bracket.
    fn part(&self, at: &IdedExpr) -> Option<Range<usize>> {
        let (start, stop) = self.parsed.places.offset_for(at.id)?;
        let (start, stop) = (usize::try_from(start).ok()?, usize::try_from(stop).ok()?);
        let name = match &at.expr {
            Expr::Call(call) => Some(call.func_name.clone()),
            expr => dotted(expr),
        };
        let around = name.and_then(|name| {
            let mut found = self.parsed.source.match_indices(&name);
            let (found, _) =
                found.find(|(found, _)| *found <= start && start <= found + name.len())?;
            Some(found..found + name.len())
        });
        Some(around.unwrap_or(start..stop.saturating_add(1)))
    }

    fn typed(&mut self, expr: &IdedExpr) -> Checked<Typed> {
        if let Some(name) = dotted(&expr.expr) {
            return self.named(&name);
        }
        match &expr.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(is) => Ok(Typed::Test(Test::Is(*is.inner()))),
                LiteralValue::Int(number) => {
                    Ok(Typed::Number(Number::Is((*number.inner()).into())))
                }
                LiteralValue::UInt(number) => {
                    Ok(Typed::Number(Number::Is((*number.inner()).into())))
                }
                LiteralValue::String(text) => Ok(Typed::Text(Text::Is(text.inner().into()))),
                _ => self.wrong(
                    expr,
                    "no fact is like this",
                    "write a text, a whole number, true or false",
                ),
            },
            Expr::List(list) => self.list_of(&list.elements),
            Expr::Select(select) if select.test => {
                let fact = match dotted(&select.operand.expr) {
                    Some(name) => self.slot(&format!("{name}.{}", select.field))?,
                    None => {
                        return self.wrong(expr, "`has` asks for a fact", "such as has(sql.where)");
                    }
                };
                Ok(Typed::Test(Test::Has(fact.0)))
            }
            Expr::Comprehension(over) => self.over(expr, over).map(Typed::Test),
            Expr::Call(call) => self.call(expr, call),
            _ => self.wrong(expr, "conditions have nothing like this", FUNCTIONS),
        }
    }

    fn list_of(&mut self, elements: &[IdedExpr]) -> Checked<Typed> {
        let (mut texts, mut numbers) = (Vec::new(), Vec::new());
        for element in elements {
            match self.typed(element)? {
                Typed::Text(text) if numbers.is_empty() => texts.push(text),
                Typed::Number(number) if texts.is_empty() => numbers.push(number),
                _ => return self.wrong(element, "a list has texts, or numbers", ""),
            }
        }
        Ok(if numbers.is_empty() {
            Typed::List(List::Of(texts.into()))
        } else {
            Typed::Numbers(numbers.into())
        })
    }

    fn named(&mut self, name: &str) -> Checked<Typed> {
        if self.element.as_deref() == Some(name) {
            return Ok(Typed::Text(Text::Element));
        }
        match name {
            "subject.workload" => return Ok(Typed::Text(Text::Workload)),
            "subject.groups" => return Ok(Typed::List(List::Groups)),
            "identity.issuer" => return Ok(Typed::Text(Text::Issuer)),
            _ => {}
        }
        if let Some(what) = name.strip_prefix("identity.") {
            return self.of_identity(name, what);
        }
        let of_process = match name {
            "subject.uid" => Some(Typed::Number(Number::Uid)),
            "subject.gid" => Some(Typed::Number(Number::Gid)),
            "subject.exe" => Some(Typed::Text(Text::Exe)),
            "subject.cgroup" => Some(Typed::Text(Text::Cgroup)),
            "flow.destination" => Some(Typed::Text(Text::Destination)),
            _ => None,
        };
        if let Some(typed) = of_process {
            self.process = true;
            return Ok(typed);
        }
        let (slot, ty) = self.slot(name)?;
        Ok(match ty {
            Type::Text => Typed::Text(Text::Fact(slot)),
            Type::Flag => Typed::Test(Test::Flag(slot)),
            Type::Number => Typed::Number(Number::Fact(slot)),
            Type::Names | Type::Texts => Typed::List(List::Fact(slot)),
        })
    }

    /// What the rule's issuer says. Of no other's tokens is anything meant.
    fn of_identity(&mut self, name: &str, what: &str) -> Checked<Typed> {
        let start = self.parsed.source.find(name);
        let place = start.map(|start| start..start + name.len());
        let place = self.parsed.place(place);
        let Some(known) = self.issuer else {
            let message =
                format!("`{name}` is said by an issuer, and the rule does not say by which");
            let help = "add `issuer = \"…\"` to the rule, the name of an [[issuer]]";
            self.diagnostics
                .push(Diagnostic::error(place, message).help(help));
            return Err(Told);
        };
        let issuer = known.name.clone();
        let claim = match what {
            "subject" => return Ok(Typed::Text(Text::Subject(issuer))),
            what => what.strip_prefix("claims."),
        };
        let Some(claim) = claim else {
            let message = format!("nothing of an identity is called `{name}`");
            let help = "known are: identity.issuer, identity.subject, identity.claims.NAME";
            self.diagnostics
                .push(Diagnostic::error(place, message).help(help));
            return Err(Told);
        };
        let claimed = |issuer| Claimed {
            issuer,
            name: claim.into(),
        };
        match known.claims.get(claim) {
            Some(ClaimType::Text) => Ok(Typed::Text(Text::Claim(claimed(issuer)))),
            Some(ClaimType::List) => Ok(Typed::List(List::Claim(claimed(issuer)))),
            None => {
                let message = format!("no claim `{claim}` is taken of {issuer}");
                let diagnostic = Diagnostic::error(place, message);
                let names = known.claims.keys().map(String::as_str);
                self.diagnostics.push(diagnostic.suggest(claim, names));
                Err(Told)
            }
        }
    }

    /// The slot of a fact, by its full name.
    fn slot(&mut self, name: &str) -> Checked<(Slot, Type)> {
        let found = slot_of(name, self.attributes);
        let found = found.and_then(|index| Some((index, self.attributes.get(index)?)));
        let start = self.parsed.source.find(name);
        let place = self
            .parsed
            .place(start.map(|start| start..start + name.len()));
        match found {
            Some((index, attribute)) if attribute.name == name => {
                self.acts |= attribute.scope != Scope::Connection;
                self.moment |= attribute.scope == Scope::Moment;
                let scope = attribute.scope;
                Ok((Slot { index, scope }, attribute.ty))
            }
            Some((_, attribute)) => {
                let message = format!("`{name}` is not the whole name of a fact");
                let help = format!("write `{}`", attribute.name);
                self.diagnostics
                    .push(Diagnostic::error(place, message).help(help));
                Err(Told)
            }
            None => {
                self.missing.push((name.to_owned(), place));
                Err(Told)
            }
        }
    }

    fn test(&mut self, expr: &IdedExpr) -> Checked<Test> {
        match self.typed(expr)? {
            Typed::Test(test) => Ok(test),
            other => {
                let message = format!("this is {}, and should be true or false", other.is());
                self.wrong(expr, &message, "")
            }
        }
    }

    fn text(&mut self, expr: &IdedExpr) -> Checked<Text> {
        match self.typed(expr)? {
            Typed::Text(text) => Ok(text),
            other => {
                let message = format!("this is {}, and should be a text", other.is());
                self.wrong(expr, &message, "")
            }
        }
    }

    fn number(&mut self, expr: &IdedExpr) -> Checked<Number> {
        match self.typed(expr)? {
            Typed::Number(number) => Ok(number),
            other => {
                let message = format!("this is {}, and should be a number", other.is());
                self.wrong(expr, &message, "")
            }
        }
    }

    /// `all` and `exists`, which the parser has written out as loops.
    fn over(&mut self, expr: &IdedExpr, over: &ComprehensionExpr) -> Checked<Test> {
        let accumulated = |it: &IdedExpr| it.expr == Expr::Ident(over.accu_var.clone());
        let step = match &over.loop_step.expr {
            Expr::Call(step) if accumulated(&over.result) && over.iter_var2.is_none() => Some(step),
            _ => None,
        };
        let known = step.and_then(
            |step| match (step.func_name.as_str(), step.args.as_slice()) {
                (operators::LOGICAL_AND, [left, body]) if accumulated(left) => Some((true, body)),
                (operators::LOGICAL_OR, [left, body]) if accumulated(left) => Some((false, body)),
                _ => None,
            },
        );
        let Some((every, body)) = known else {
            return self.wrong(
                expr,
                "conditions go over lists by `all` and `exists` only",
                "",
            );
        };
        if self.element.is_some() {
            return self.wrong(
                expr,
                "`all` and `exists` do not stand within each other",
                "",
            );
        }
        let list = match self.typed(&over.iter_range)? {
            Typed::List(list) => list,
            other => {
                let message = format!("this is {}, and should be a list of texts", other.is());
                return self.wrong(&over.iter_range, &message, "");
            }
        };
        self.element = Some(over.iter_var.clone());
        let body = self.test(body);
        self.element = None;
        let body = Box::new(body?);
        Ok(if every {
            Test::Every(list, body)
        } else {
            Test::Some(list, body)
        })
    }

    fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Checked<Typed> {
        let target = call.target.as_deref();
        let test = match (call.func_name.as_str(), target, call.args.as_slice()) {
            (operators::LOGICAL_NOT, None, [test]) => Test::Not(Box::new(self.test(test)?)),
            (operators::LOGICAL_AND, None, [left, right]) => {
                Test::And(Box::new([self.test(left)?, self.test(right)?]))
            }
            (operators::LOGICAL_OR, None, [left, right]) => {
                Test::Or(Box::new([self.test(left)?, self.test(right)?]))
            }
            (operators::CONDITIONAL, None, [which, yes, no]) => Test::Choice(Box::new([
                self.test(which)?,
                self.test(yes)?,
                self.test(no)?,
            ])),
            (operators::EQUALS, None, [left, right]) => self.equal(expr, left, right)?,
            (operators::NOT_EQUALS, None, [left, right]) => {
                Test::Not(Box::new(self.equal(expr, left, right)?))
            }
            (operators::LESS, None, [left, right]) => {
                Test::Numbers(Order::Less, self.number(left)?, self.number(right)?)
            }
            (operators::LESS_EQUALS, None, [left, right]) => {
                Test::Numbers(Order::LessOrEqual, self.number(left)?, self.number(right)?)
            }
            (operators::GREATER, None, [left, right]) => {
                Test::Numbers(Order::Less, self.number(right)?, self.number(left)?)
            }
            (operators::GREATER_EQUALS, None, [left, right]) => {
                Test::Numbers(Order::LessOrEqual, self.number(right)?, self.number(left)?)
            }
            (operators::IN, None, [item, list]) => self.among(list, item)?,
            (operators::NEGATE, None, [number]) => match self.number(number)? {
                Number::Is(number) => return Ok(Typed::Number(Number::Is(-number))),
                _ => return self.wrong(expr, "conditions do not calculate", ""),
            },
            ("startsWith", Some(text), [start]) => {
                Test::Texts(Relation::Starts, self.text(text)?, self.text(start)?)
            }
            ("endsWith", Some(text), [end]) => {
                Test::Texts(Relation::Ends, self.text(text)?, self.text(end)?)
            }
            ("contains", Some(text), [part]) => {
                Test::Texts(Relation::Contains, self.text(text)?, self.text(part)?)
            }
            ("matches", Some(text), [regex]) | ("matches", None, [text, regex]) => {
                Test::Matches(self.text(text)?, self.regex(regex)?)
            }
            ("size", Some(of), []) | ("size", None, [of]) => {
                return match self.typed(of)? {
                    Typed::Text(text) => Ok(Typed::Number(Number::Length(text))),
                    Typed::List(list) => Ok(Typed::Number(Number::Count(list))),
                    other => {
                        let message = format!("this is {}, and has no size", other.is());
                        self.wrong(of, &message, "")
                    }
                };
            }
            (operators::ADD | operators::SUBSTRACT | operators::MULTIPLY, ..)
            | (operators::DIVIDE | operators::MODULO, ..) => {
                return self.wrong(expr, "conditions do not calculate", "");
            }
            (name, ..) => {
                let message = format!("there is no function `{name}` like this here");
                return self.wrong(expr, &message, FUNCTIONS);
            }
        };
        Ok(Typed::Test(test))
    }

    fn equal(&mut self, expr: &IdedExpr, left: &IdedExpr, right: &IdedExpr) -> Checked<Test> {
        Ok(match (self.typed(left)?, self.typed(right)?) {
            (Typed::Test(left), Typed::Test(right)) => Test::Agree(Box::new([left, right])),
            (Typed::Text(left), Typed::Text(right)) => Test::Texts(Relation::Equal, left, right),
            (Typed::Number(left), Typed::Number(right)) => Test::Numbers(Order::Equal, left, right),
            (Typed::List(_) | Typed::Numbers(_), _) | (_, Typed::List(_) | Typed::Numbers(_)) => {
                return self.wrong(
                    expr,
                    "lists are not compared",
                    "use `in`, `all` or `exists`",
                );
            }
            (left, right) => {
                let message = format!("{} is never {}", left.is(), right.is());
                return self.wrong(expr, &message, "");
            }
        })
    }

    fn among(&mut self, list: &IdedExpr, item: &IdedExpr) -> Checked<Test> {
        match self.typed(list)? {
            Typed::List(list) => Ok(Test::TextIn(self.text(item)?, list)),
            Typed::Numbers(numbers) => Ok(Test::NumberIn(self.number(item)?, numbers)),
            other => {
                let message = format!("this is {}, and should be a list", other.is());
                self.wrong(list, &message, "")
            }
        }
    }

    fn regex(&mut self, expr: &IdedExpr) -> Checked<Expression> {
        let Text::Is(source) = self.text(expr)? else {
            return self.wrong(expr, "a regular expression is written out", "");
        };
        // How large it is, the library tells by the limits that it is within.
        let within = |weight: &u64| {
            let limit = usize::try_from(*weight).ok()?.checked_mul(SMALL_REGEX)?;
            let built = RegexBuilder::new(&source).size_limit(limit).build();
            let regex = built.ok()?;
            Some(Expression {
                regex,
                weight: *weight,
            })
        };
        let found = [1, 4, 16, 64, 256].iter().find_map(within);
        found.map_or_else(
            || self.wrong(expr, "this regular expression cannot be used", ""),
            Ok,
        )
    }
}

/// `a.b.c` in one piece.
fn dotted(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => {
            let before = dotted(&select.operand.expr)?;
            Some(format!("{before}.{}", select.field))
        }
        _ => None,
    }
}
