//! As much of Python's expressions as the golden queries are written in.

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Python {
    Name(String),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Ellipsis,
    List(Vec<Python>),
    Tuple(Vec<Python>),
    Set(Vec<Python>),
    Dict(Vec<(Python, Python)>),
    /// `value.name`
    Member(Box<Python>, String),
    /// Callee, positional arguments, named arguments.
    Call(Box<Python>, Vec<Python>, Vec<(String, Python)>),
    Unary(char, Box<Python>),
    Binary(&'static str, Box<Python>, Box<Python>),
}

struct Parser<'a> {
    rest: &'a str,
}

type Parsed = Result<Python, String>;

/// Positional and named arguments.
type Arguments = (Vec<Python>, Vec<(String, Python)>);

/// Reads one expression; what is not supported is an error.
pub fn parse(text: &str) -> Parsed {
    let mut parser = Parser { rest: text };
    let expression = parser.level(0)?;
    parser.blank();
    if parser.rest.is_empty() { Ok(expression) } else { Err(format!("not supported: {}", parser.rest)) }
}

/// Binary operators from the loosest to the tightest.
const LEVELS: &[&[&str]] = &[&["in"], &["&"], &["^"], &["+", "-"], &["*", "@"]];

impl<'a> Parser<'a> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.blank();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.eat(token) { Ok(()) } else { Err(format!("expected {token} before {}", self.rest)) }
    }

    fn level(&mut self, level: usize) -> Parsed {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        'next: loop {
            self.blank();
            for operator in *operators {
                let word = operator.chars().all(char::is_alphabetic);
                let ends = |rest: &str| !word || rest.starts_with(char::is_whitespace);
                let power = *operator == "*" && self.rest.starts_with("**");
                if self.rest.strip_prefix(operator).is_some_and(ends) && !power {
                    self.rest = &self.rest[operator.len()..];
                    let right = self.level(level + 1)?;
                    left = Python::Binary(operator, Box::new(left), Box::new(right));
                    continue 'next;
                }
            }
            return Ok(left);
        }
    }

    fn unary(&mut self) -> Parsed {
        for sign in ['-', '~'] {
            if self.eat(&sign.to_string()) {
                return Ok(Python::Unary(sign, Box::new(self.unary()?)));
            }
        }
        let base = self.postfix()?;
        if self.eat("**") {
            return match (base, self.unary()?) {
                (Python::Int(base), Python::Int(power)) => Ok(Python::Int(base.pow(power as u32))),
                _ => Err("a power".into()),
            };
        }
        Ok(base)
    }

    fn postfix(&mut self) -> Parsed {
        let mut value = self.atom()?;
        loop {
            self.blank();
            if self.rest.starts_with('.') && !self.rest.starts_with("...") {
                self.rest = &self.rest[1..];
                value = Python::Member(Box::new(value), self.word());
            } else if self.eat("(") {
                let (positional, named) = self.arguments()?;
                value = Python::Call(Box::new(value), positional, named);
            } else if self.rest.starts_with('[') {
                return Err("an index".into());
            } else {
                return Ok(value);
            }
        }
    }

    fn arguments(&mut self) -> Result<Arguments, String> {
        let (mut positional, mut named) = (Vec::new(), Vec::new());
        while !self.eat(")") {
            if self.eat("**") {
                let Python::Dict(items) = self.level(0)? else { return Err("** of no dict".into()) };
                for (name, value) in items {
                    let Python::Text(name) = name else { return Err("** of odd names".into()) };
                    named.push((name, value));
                }
            } else {
                let before = self.rest;
                self.blank();
                let name = self.word();
                if !name.is_empty() && self.eat("=") && !self.rest.starts_with('=') {
                    named.push((name, self.level(0)?));
                } else {
                    self.rest = before;
                    positional.push(self.level(0)?);
                }
            }
            if !self.eat(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok((positional, named))
    }

    fn word(&mut self) -> String {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn items(&mut self, close: &str) -> Result<(Vec<Python>, bool), String> {
        let (mut items, mut comma) = (Vec::new(), false);
        while !self.eat(close) {
            items.push(self.level(0)?);
            comma = self.eat(",");
            if !comma {
                self.expect(close)?;
                break;
            }
        }
        Ok((items, comma))
    }

    fn atom(&mut self) -> Parsed {
        self.blank();
        if self.eat("...") {
            return Ok(Python::Ellipsis);
        }
        if self.eat("(") {
            let (mut items, comma) = self.items(")")?;
            return Ok(if items.len() == 1 && !comma { items.remove(0) } else { Python::Tuple(items) });
        }
        if self.eat("[") {
            return Ok(Python::List(self.items("]")?.0));
        }
        if self.eat("{") {
            return self.braces();
        }
        match self.rest.chars().next() {
            Some('\'' | '"') => self.text().map(Python::Text),
            Some(c) if c.is_ascii_digit() => {
                let end = self.rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(self.rest.len());
                let (number, rest) = self.rest.split_at(end);
                self.rest = rest;
                Ok(match number.parse() {
                    Ok(number) => Python::Int(number),
                    Err(_) => Python::Float(number.parse().map_err(|_| number.to_owned())?),
                })
            }
            Some('b') if self.rest[1..].starts_with(['\'', '"']) => {
                self.rest = &self.rest[1..];
                self.text().map(|text| Python::Bytes(text.chars().map(|c| c as u8).collect()))
            }
            Some(c) if c.is_alphabetic() => match self.word().as_str() {
                "lambda" => Err("a lambda".into()),
                word => Ok(Python::Name(word.to_owned())),
            },
            _ => Err(format!("not supported: {}", self.rest)),
        }
    }

    fn braces(&mut self) -> Parsed {
        if self.eat("}") {
            return Ok(Python::Dict(Vec::new()));
        }
        let first = self.level(0)?;
        if !self.eat(":") {
            let mut items = vec![first];
            if self.eat(",") {
                items.extend(self.items("}")?.0);
            } else {
                self.expect("}")?;
            }
            return Ok(Python::Set(items));
        }
        let mut items = vec![(first, self.level(0)?)];
        while self.eat(",") && !self.rest.trim_start().starts_with('}') {
            let key = self.level(0)?;
            self.expect(":")?;
            items.push((key, self.level(0)?));
        }
        self.expect("}")?;
        Ok(Python::Dict(items))
    }

    fn text(&mut self) -> Result<String, String> {
        let mut characters = self.rest.chars();
        let quote = characters.next();
        let mut text = String::new();
        while let Some(c) = characters.next() {
            match c {
                _ if Some(c) == quote => {
                    self.rest = characters.as_str();
                    return Ok(text);
                }
                '\\' => match characters.next() {
                    Some('n') => text.push('\n'),
                    Some('x') => {
                        let digits: String = characters.by_ref().take(2).collect();
                        text.push(char::from(u8::from_str_radix(&digits, 16).map_err(|e| e.to_string())?));
                    }
                    Some(c) => text.push(c),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err("an open text".into())
    }
}
