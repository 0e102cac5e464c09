//! The statements of PL/pgSQL.
//!
//! Where its grammar has an error, so has this: nothing is guessed.

use super::{Piece, Reader};

impl Reader<'_> {
    /// The whole text.
    pub(super) fn body(&mut self) -> Option<()> {
        // `#variable_conflict use_column` and its kin.
        while self.eat("#") {
            self.name()?;
            self.name()?;
        }
        self.label();
        self.block()?;
        self.eat(";");
        (self.at == self.items.len()).then_some(())
    }

    /// `<<label>>`, if there is one.
    fn label(&mut self) {
        if self.is(0, "<<") && self.is(2, ">>") {
            self.at += 3;
        }
    }

    fn block(&mut self) -> Option<()> {
        self.deeper(|reader| {
            if reader.eat("declare") {
                reader.declarations()?;
            }
            reader.expect("begin")?;
            reader.statements(&["exception", "end"])?;
            if reader.eat("exception") {
                while reader.eat("when") {
                    reader.until(&["then"])?;
                    reader.expect("then")?;
                    reader.statements(&["when", "end"])?;
                }
            }
            reader.expect("end")?;
            // The label again.
            if !reader.is(0, ";") && reader.item(0).is_some() {
                reader.name()?;
            }
            Some(())
        })
    }

    fn declarations(&mut self) -> Option<()> {
        while !self.is(0, "begin") {
            if self.eat("declare") {
                continue;
            }
            let name = self.name()?;
            if self.eat("alias") {
                self.plain()?;
                continue;
            }
            let at = self.at;
            self.eat("no");
            self.eat("scroll");
            if self.eat("cursor") {
                self.cursor(name)?;
                continue;
            }
            self.at = at;
            self.until(&[":=", "=", "default", ";"])?;
            if !self.eat(";") {
                self.at += 1;
                self.expression(&[";"])?;
                self.expect(";")?;
            }
        }
        Some(())
    }

    /// `[(arguments)] FOR query;`
    fn cursor(&mut self, name: String) -> Option<()> {
        // Arguments are names and types.
        self.until(&["for", "is"])?;
        self.at += 1;
        let query = self.until(&[";"])?;
        self.cursors.insert(name);
        self.add(Piece::Statement(query))?;
        self.expect(";")
    }

    /// Statements up to one of these words.
    fn statements(&mut self, ends: &[&str]) -> Option<()> {
        while !ends.iter().any(|end| self.begins(end)) {
            self.statement()?;
        }
        Some(())
    }

    fn statement(&mut self) -> Option<()> {
        self.label();
        let item = self.item(0)?;
        if item.is_constant() || item.is_name() && self.assigns(1) {
            return self.assignment();
        }
        if !item.is_name() {
            return None;
        }
        let word = match item.is(item.text()) {
            true => item.text().to_owned(),
            false => String::new(),
        };
        match word.as_str() {
            "declare" | "begin" => {
                self.block()?;
                self.expect(";")
            }
            "if" | "case" | "loop" | "while" | "for" | "foreach" => {
                self.at += 1;
                self.deeper(|reader| reader.control(&word))
            }
            "exit" | "continue" | "return" | "raise" | "assert" | "execute" | "perform" | "get"
            | "open" | "fetch" | "move" | "close" | "null" => {
                self.at += 1;
                self.simple(&word)
            }
            _ => self.sql(),
        }
    }

    /// `variable[i].field := expression;`
    fn assignment(&mut self) -> Option<()> {
        let target = self.until(&[":=", "="])?;
        self.at += 1;
        if target.contains('[') {
            // `$1[i]` is an expression as well.
            self.add(Piece::Expression(target))?;
        }
        self.expression(&[";"])?;
        self.expect(";")
    }

    fn control(&mut self, word: &str) -> Option<()> {
        match word {
            "if" => {
                self.expression(&["then"])?;
                self.expect("then")?;
                self.statements(&["elsif", "elseif", "else", "end"])?;
                while self.eat("elsif") || self.eat("elseif") {
                    self.expression(&["then"])?;
                    self.expect("then")?;
                    self.statements(&["elsif", "elseif", "else", "end"])?;
                }
                self.otherwise()?;
                self.end("if")
            }
            "case" => {
                if !self.is(0, "when") {
                    self.expression(&["when"])?;
                }
                while self.eat("when") {
                    self.expression(&["then"])?;
                    self.expect("then")?;
                    self.statements(&["when", "else", "end"])?;
                }
                self.otherwise()?;
                self.end("case")
            }
            "while" => {
                self.expression(&["loop"])?;
                self.expect("loop")?;
                self.rounds()
            }
            "for" => {
                self.until(&["in"])?;
                self.expect("in")?;
                self.range()?;
                self.expect("loop")?;
                self.rounds()
            }
            "foreach" => {
                self.until(&["in"])?;
                self.expect("in")?;
                self.expect("array")?;
                self.expression(&["loop"])?;
                self.expect("loop")?;
                self.rounds()
            }
            _ => self.rounds(),
        }
    }

    fn otherwise(&mut self) -> Option<()> {
        match self.eat("else") {
            true => self.statements(&["end"]),
            false => Some(()),
        }
    }

    fn end(&mut self, word: &str) -> Option<()> {
        self.expect("end")?;
        self.expect(word)?;
        self.expect(";")
    }

    /// What is between `LOOP` and `END LOOP`.
    fn rounds(&mut self) -> Option<()> {
        self.statements(&["end"])?;
        self.expect("end")?;
        self.expect("loop")?;
        if !self.is(0, ";") {
            self.name()?;
        }
        self.expect(";")
    }

    /// What a `FOR` goes through: numbers, a query, a cursor, or what is put together.
    fn range(&mut self) -> Option<()> {
        if self.eat("execute") {
            return self.run(&["loop"]);
        }
        let start = self.at;
        let reversed = self.eat("reverse");
        let first = self.until(&["..", "loop"])?;
        if self.eat("..") {
            self.add(Piece::Expression(first))?;
            self.expression(&["by", "loop"])?;
            return match self.eat("by") {
                true => self.expression(&["loop"]),
                false => Some(()),
            };
        }
        if reversed {
            return None;
        }
        let item = self.items.get(start)?;
        let alone = self.at == start + 1 && item.is_name();
        match alone {
            true => self.cursors.contains(item.text()).then_some(()),
            false => self.add(Piece::Statement(first)),
        }
    }

    /// `expression [INTO …] [USING …]` up to one of `ends`.
    fn run(&mut self, ends: &[&str]) -> Option<()> {
        let with = |more: &[&'static str]| [ends, more].concat();
        let text = self.until(&with(&["into", "using"]))?;
        self.add(Piece::Run(text))?;
        loop {
            if self.eat("into") {
                self.target()?;
            } else if self.eat("using") {
                self.expressions(&with(&["into"]))?;
            } else {
                return ends.iter().any(|end| self.is(0, end)).then_some(());
            }
        }
    }

    /// `[STRICT] a, b.c`
    fn target(&mut self) -> Option<()> {
        self.eat("strict");
        loop {
            match self.item(0)?.is_constant() {
                true => self.at += 1,
                false => {
                    self.name()?;
                }
            }
            while self.eat(".") {
                self.name()?;
            }
            if self.is(0, "[") {
                return None;
            }
            if !self.eat(",") {
                return Some(());
            }
        }
    }

    fn simple(&mut self, word: &str) -> Option<()> {
        match word {
            "null" => self.expect(";"),
            "exit" | "continue" => {
                if !self.is(0, "when") && !self.is(0, ";") {
                    self.name()?;
                }
                if self.eat("when") {
                    self.expression(&[";"])?;
                }
                self.expect(";")
            }
            "return" => self.returned(),
            "raise" => self.raised(),
            "assert" => {
                self.expressions(&[";"])?;
                self.expect(";")
            }
            "execute" => {
                self.run(&[";"])?;
                self.expect(";")
            }
            "perform" => {
                let text = self.until(&[";"])?;
                self.add(Piece::Statement(format!("SELECT {text}")))?;
                self.expect(";")
            }
            "open" => self.opened(),
            "fetch" | "move" => {
                self.plain()?;
                self.add(Piece::Fetch)
            }
            _ => self.plain(),
        }
    }

    fn returned(&mut self) -> Option<()> {
        if self.eat("query") {
            if self.eat("execute") {
                self.run(&[";"])?;
                return self.expect(";");
            }
            let query = self.until(&[";"])?;
            self.add(Piece::Statement(query))?;
            return self.expect(";");
        }
        self.eat("next");
        if !self.is(0, ";") {
            self.expression(&[";"])?;
        }
        self.expect(";")
    }

    /// `[level] ['format', expressions | condition] [USING option = expression, …];`
    fn raised(&mut self) -> Option<()> {
        const LEVELS: [&str; 6] = ["exception", "warning", "notice", "info", "log", "debug"];
        if LEVELS.iter().any(|level| self.is(0, level)) {
            self.at += 1;
        }
        if self.item(0)?.is_constant() {
            self.at += 1;
            if self.eat(",") {
                self.expressions(&["using", ";"])?;
            }
        } else if self.eat("sqlstate") {
            self.item(0).filter(|item| item.is_constant())?;
            self.at += 1;
        } else if !self.is(0, "using") && !self.is(0, ";") {
            self.name()?;
        }
        if self.eat("using") {
            loop {
                self.name()?;
                if !self.eat("=") {
                    self.expect(":=")?;
                }
                self.expression(&[",", ";"])?;
                if !self.eat(",") {
                    break;
                }
            }
        }
        self.expect(";")
    }

    /// `cursor [(arguments)];` or `cursor [[NO] SCROLL] FOR query;`
    fn opened(&mut self) -> Option<()> {
        self.name()?;
        if self.is(0, "(") {
            let arguments = self.until(&[";"])?;
            self.add(Piece::Expression(format!("ROW{arguments}")))?;
            return self.expect(";");
        }
        self.eat("no");
        self.eat("scroll");
        if self.eat("for") {
            if self.eat("execute") {
                self.run(&[";"])?;
            } else {
                let query = self.until(&[";"])?;
                self.add(Piece::Statement(query))?;
            }
        }
        self.expect(";")
    }

    /// A statement of SQL, without its `INTO` for variables.
    fn sql(&mut self) -> Option<()> {
        let start = self.at;
        let routine = |at| self.is(at, "function") || self.is(at, "procedure");
        // Such a body has semicolons of its own.
        if self.is(0, "create") && (routine(1) || self.is(1, "or") && routine(3)) {
            return None;
        }
        let mut text = String::new();
        let (mut from, mut brackets, mut targets) = (start, 0_usize, 0);
        loop {
            let item = self.item(0)?;
            if item.is(";") && brackets == 0 {
                break;
            } else if item.is("(") {
                brackets += 1;
            } else if item.is(")") {
                brackets = brackets.checked_sub(1)?;
            } else if item.is("into") && self.takes(start) {
                text.push_str(&self.written(from, self.at)?);
                text.push(' ');
                self.at += 1;
                self.target()?;
                from = self.at;
                targets += 1;
                continue;
            }
            self.at += 1;
        }
        text.push_str(&self.written(from, self.at)?);
        if targets > 1 {
            return None;
        }
        self.add(Piece::Statement(text))?;
        self.expect(";")
    }

    /// Whether the `INTO` here is PL/pgSQL's.
    fn takes(&self, start: usize) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.items.get(at));
        let own = |word| before.is_some_and(|before| before.is(word));
        let imports = self.items.get(start).is_some_and(|it| it.is("import"));
        !(own("insert") || own("merge") || imports)
    }
}
