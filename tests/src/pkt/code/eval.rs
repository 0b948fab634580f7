//! What a block of code means.

use std::collections::BTreeMap;
use std::fmt;

use super::{Statement, Term};
use crate::pkt::report::{Result, failed, unsupported};

#[derive(Clone, Debug, PartialEq)]
pub(in crate::pkt) enum Value {
    Int(i64),
    Float(f64),
    Text(String),
    Tuple(Vec<Value>),
}

/// The names that blocks have given values to; they last until the end of the script.
#[derive(Debug, Default)]
pub(in crate::pkt) struct Variables(BTreeMap<String, Value>);

/// Where names come from that are not variables: `tcp_info` and its constants.
pub(in crate::pkt) type Names<'a> = &'a dyn Fn(&str) -> Option<Value>;

impl Variables {
    /// Runs a block; fails where an assertion does not hold.
    pub(in crate::pkt) fn run(&mut self, block: &[Statement], names: Names<'_>) -> Result<()> {
        for statement in block {
            match statement {
                Statement::Nothing => {}
                Statement::Assign { line, name, value } => {
                    let value = self.value(*line, value, names)?;
                    self.0.insert(name.clone(), value);
                }
                Statement::Assert { line, condition, text, message } => {
                    if self.value(*line, condition, names)?.is_true() {
                        continue;
                    }
                    let message = match message {
                        Some(message) => format!(" ({})", self.value(*line, message, names)?),
                        None => String::new(),
                    };
                    return Err(failed(*line, format!("{text}: it is not so{message}")));
                }
            }
        }
        Ok(())
    }

    fn value(&self, line: u32, term: &Term, names: Names<'_>) -> Result<Value> {
        let value = |term: &Term| self.value(line, term, names);
        let found = match term {
            Term::Value(value) => Some(value.clone()),
            Term::Name(name) => match &name[..] {
                "True" => Some(Value::Int(1)),
                "False" | "None" => Some(Value::Int(0)),
                _ => {
                    let known = self.0.get(name).cloned().or_else(|| names(name));
                    return known.ok_or_else(|| unsupported(line, format!("the name {name}")));
                }
            },
            Term::Tuple(terms) => {
                Some(Value::Tuple(terms.iter().map(value).collect::<Result<_>>()?))
            }
            Term::Unary(sign, term) => unary(sign, value(term)?),
            Term::Binary("and", left, right) => {
                let left = value(left)?;
                Some(if left.is_true() { value(right)? } else { left })
            }
            Term::Binary("or", left, right) => {
                let left = value(left)?;
                Some(if left.is_true() { left } else { value(right)? })
            }
            Term::Binary(sign, left, right) => binary(sign, value(left)?, value(right)?),
            Term::Compare(first, rest) => {
                let mut left = value(first)?;
                let mut holds = Some(true);
                for (sign, term) in rest {
                    let right = value(term)?;
                    holds = compare(sign, &left, &right);
                    if holds != Some(true) {
                        break;
                    }
                    left = right;
                }
                holds.map(|holds| Value::Int(holds.into()))
            }
            Term::Apply(name, args) => {
                let args: Vec<_> = args.iter().map(value).collect::<Result<_>>()?;
                match apply(name, &args) {
                    Some(value) => Some(value),
                    None => return Err(unsupported(line, format!("{name}() in a block of code"))),
                }
            }
        };
        found.ok_or_else(|| failed(line, format!("no value: {term:?}")))
    }
}

impl Value {
    fn is_true(&self) -> bool {
        match self {
            Value::Int(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::Tuple(values) => !values.is_empty(),
        }
    }

    fn float(&self) -> Option<f64> {
        match self {
            Value::Int(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            Value::Text(_) | Value::Tuple(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value}"),
            Value::Text(text) => f.write_str(text),
            Value::Tuple(values) => {
                let values: Vec<_> = values.iter().map(ToString::to_string).collect();
                write!(f, "({})", values.join(", "))
            }
        }
    }
}

fn unary(sign: &str, value: Value) -> Option<Value> {
    Some(match (sign, value) {
        ("not", value) => Value::Int((!value.is_true()).into()),
        ("-", Value::Int(value)) => Value::Int(value.checked_neg()?),
        ("-", Value::Float(value)) => Value::Float(-value),
        ("+", value @ (Value::Int(_) | Value::Float(_))) => value,
        ("~", Value::Int(value)) => Value::Int(!value),
        _ => return None,
    })
}

fn binary(sign: &str, left: Value, right: Value) -> Option<Value> {
    if let (Value::Int(a), Value::Int(b)) = (&left, &right) {
        let (a, b) = (*a, *b);
        return Some(match sign {
            "+" => Value::Int(a.checked_add(b)?),
            "-" => Value::Int(a.checked_sub(b)?),
            "*" => Value::Int(a.checked_mul(b)?),
            "//" => Value::Int(floor_div(a, b)?),
            "/" if b != 0 => Value::Float(a as f64 / b as f64),
            "%" => Value::Int(a.checked_sub(floor_div(a, b)?.checked_mul(b)?)?),
            "&" => Value::Int(a & b),
            "|" => Value::Int(a | b),
            "^" => Value::Int(a ^ b),
            "<<" => Value::Int(a.checked_shl(b.try_into().ok()?)?),
            ">>" => Value::Int(a.checked_shr(b.try_into().ok()?)?),
            _ => return None,
        });
    }
    match (sign, left, right) {
        ("+", Value::Text(a), Value::Text(b)) => Some(Value::Text(a + &b)),
        ("%", Value::Text(form), Value::Tuple(values)) => Some(Value::Text(format(&form, &values))),
        ("%", Value::Text(form), value) => Some(Value::Text(format(&form, &[value]))),
        (sign, a, b) => {
            let (a, b) = (a.float()?, b.float()?);
            Some(Value::Float(match sign {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "/" if b != 0.0 => a / b,
                "//" if b != 0.0 => (a / b).floor(),
                "%" if b != 0.0 => a - (a / b).floor() * b,
                _ => return None,
            }))
        }
    }
}

fn floor_div(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    Some(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
}

fn compare(sign: &str, left: &Value, right: &Value) -> Option<bool> {
    let order = match (left, right) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (a, b) => a.float()?.partial_cmp(&b.float()?)?,
    };
    Some(match sign {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        _ => return None,
    })
}

fn apply(name: &str, args: &[Value]) -> Option<Value> {
    let extreme = |sign: &str| {
        args.iter().cloned().reduce(|best, next| match compare(sign, &next, &best) {
            Some(true) => next,
            _ => best,
        })
    };
    match (name, args) {
        ("abs", [Value::Int(value)]) => Some(Value::Int(value.checked_abs()?)),
        ("abs", [Value::Float(value)]) => Some(Value::Float(value.abs())),
        ("int", [value]) => Some(Value::Int(value.float()? as i64)),
        ("float", [value]) => Some(Value::Float(value.float()?)),
        ("round", [value]) => Some(Value::Int(value.float()?.round_ties_even() as i64)),
        ("str", [value]) => Some(Value::Text(value.to_string())),
        ("min", [_, ..]) => extreme("<"),
        ("max", [_, ..]) => extreme(">"),
        _ => None,
    }
}

/// `'%d of %s' % (1, 2)`; widths and precisions are for people and left out.
fn format(form: &str, values: &[Value]) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut chars = form.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.find(|c| c.is_ascii_alphabetic() || *c == '%') {
            Some('%') | None => out.push('%'),
            Some('x') => match values.next() {
                Some(Value::Int(value)) => out.push_str(&format!("{value:x}")),
                value => out.extend(value.map(ToString::to_string)),
            },
            Some(_) => out.extend(values.next().map(ToString::to_string)),
        }
    }
    out
}
