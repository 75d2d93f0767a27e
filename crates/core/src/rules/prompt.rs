//! Prompt tuning: `peft/peft_model.py`, `PeftModelForCausalLM.forward`, `get_prompt`; `peft/tuners/prompt_tuning/model.py`.

use super::Writer;
use crate::ledger::{Category, Dim, Dims, Module, Name, What};
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// `cat((prompts, inputs_embeds), dim=1)`, and the soft prompt, which PEFT's forward goes on to name. Takes over the caller's `tokens`.
    pub(super) fn behind_prompt(&mut self, tokens: Var, length: Dim) -> (Var, Var) {
        let shape = [length, self.pass.hidden()];
        let category = if self.pass.accumulates { Category::Temporaries } else { Category::Gradients };
        let gradient = Step::Adapter(Storage {
            name: Name::gradient_of(Module::Prompt, What::Weight),
            category,
            dims: Dims::new(&shape),
            dtype: Dtype::Fp32,
        });
        let dims = Dims::new(&[self.pass.batch(), length, self.pass.hidden()]);
        let wide = self.made(Module::Prompt, What::Output, dims, Dtype::Fp32);
        let wide = self.tape.operator(wide, &[], &[gradient]);
        let prompt = self.cast(wide, Module::Prompt, What::Output, self.pass.weight);
        self.tape.drop(wide);
        let whole = super::layer::residual_stream(self.pass, Name::of(Module::Prompt, What::Residual));
        let whole = self.tape.operator(whole, &[], &[Step::Pass(prompt), Step::Pass(tokens)]);
        self.tape.drop(tokens);
        (whole, prompt)
    }
}
