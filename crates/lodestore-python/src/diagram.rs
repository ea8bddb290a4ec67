//! Diagrams for Python.

use std::collections::HashMap;

use lodestore::picture::{Diagram, Shape, Theme};
use lodestore::{DiagramOptions, Error, ErrorKind, FullTableName};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::error::{run, to_py_err};
use crate::instance::Instance;

/// A diagram that can be drawn.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Drawing {
    diagram: Diagram,
    /// The setting, for calls that name no theme.
    theme: Theme,
}

#[pymethods]
impl Drawing {
    /// The drawing of some tables, by full names; `labels` and `titles` say what tables and schemas are called.
    #[new]
    fn new(
        py: Python<'_>,
        instance: &Instance,
        names: Vec<String>,
        labels: HashMap<String, String>,
        titles: HashMap<String, String>,
        collapsed: Vec<String>,
    ) -> PyResult<Self> {
        run(py, || {
            let parse = |names: &[String]| -> lodestore::Result<Vec<FullTableName>> {
                names.iter().map(|name| FullTableName::parse(name)).collect()
            };
            let options = DiagramOptions {
                labels: labels
                    .iter()
                    .map(|(name, label)| Ok((FullTableName::parse(name)?, label.clone())))
                    .collect::<lodestore::Result<_>>()?,
                titles,
                collapsed: parse(&collapsed)?.into_iter().collect(),
                direction: None,
            };
            let diagram = instance.0.diagram(&parse(&names)?, &options)?;
            Ok(Drawing { diagram, theme: instance.0.diagram_theme() })
        })
    }

    fn svg(&self, py: Python<'_>, theme: Option<&str>) -> PyResult<String> {
        let theme = self.theme(py, theme)?;
        run(py, || Ok(self.diagram.svg(theme)))
    }

    fn dot(&self, py: Python<'_>, theme: Option<&str>) -> PyResult<String> {
        let theme = self.theme(py, theme)?;
        Ok(self.diagram.dot(theme))
    }

    fn mermaid(&self) -> String {
        self.diagram.mermaid()
    }

    /// Width, height, and shapes with their colours, in the order in which they are painted.
    fn shapes<'py>(&self, py: Python<'py>, theme: Option<&str>) -> PyResult<(f64, f64, Bound<'py, PyList>)> {
        let theme = self.theme(py, theme)?;
        let (layout, shapes) = run(py, || Ok(self.diagram.shapes()))?;
        let shapes = shapes.iter().filter_map(|shape| shape_to_python(py, shape, theme).transpose());
        Ok((layout.width, layout.height, PyList::new(py, shapes.collect::<PyResult<Vec<_>>>()?)?))
    }
}

impl Drawing {
    fn theme(&self, py: Python<'_>, name: Option<&str>) -> PyResult<Theme> {
        let Some(name) = name else { return Ok(self.theme) };
        Theme::parse(name).ok_or_else(|| {
            let error = Error::new(ErrorKind::InvalidValue, format!("there is no theme `{name}`"));
            to_py_err(py, error.with_hint("the themes are `light`, `dark` and `auto`"))
        })
    }
}

fn shape_to_python<'py>(py: Python<'py>, shape: &Shape, theme: Theme) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let tuple = match shape {
        Shape::Begin(_) | Shape::End => return Ok(None),
        Shape::Box { rect, radius, colour, stroke } => {
            let [fill, line, _] = colour.values(theme);
            let place = (rect.x, rect.y, rect.width, rect.height, *radius);
            ("box", place, fill, line, stroke.width, stroke.dashed).into_pyobject(py)?
        }
        Shape::Path { curve, colour, stroke } => {
            let pieces: Vec<[(f64, f64); 3]> = curve.pieces.clone();
            ("path", curve.start, pieces, colour.values(theme)[2], stroke.width, stroke.dashed).into_pyobject(py)?
        }
        Shape::Dot { centre, radius, colour } => {
            ("dot", *centre, *radius, colour.values(theme)[2]).into_pyobject(py)?
        }
        Shape::Text { at, centred, size, bold, underlined, colour, text } => {
            let ink = colour.values(theme)[2];
            ("text", *at, *centred, *size, *bold, *underlined, ink, text.as_str()).into_pyobject(py)?
        }
    };
    Ok(Some(tuple))
}
