"""Cases with settings at random, a line each: `python3 random_cases.py SEED COUNT > cases.jsonl`, then `../run.sh cases.jsonl -o rows.jsonl
--quick`. The runs of tests/goldens/random.jsonl are seeds 1 (160 cases) and 2 (150)."""
import json,random,sys
random.seed(int(sys.argv[1])); N=int(sys.argv[2])
CONFIGS={
"llama":{"model_type":"llama","vocab_size":8000,"hidden_size":512,"intermediate_size":1408,"num_hidden_layers":3,"num_attention_heads":8,"num_key_value_heads":2},
"mistral":{"model_type":"mistral","vocab_size":8000,"hidden_size":512,"intermediate_size":1408,"num_hidden_layers":3,"num_attention_heads":8,"num_key_value_heads":4,"sliding_window":300},
"qwen2":{"model_type":"qwen2","vocab_size":8000,"hidden_size":512,"intermediate_size":1408,"num_hidden_layers":3,"num_attention_heads":8,"num_key_value_heads":2,"tie_word_embeddings":True},
"qwen3":{"model_type":"qwen3","vocab_size":8000,"hidden_size":512,"intermediate_size":1408,"num_hidden_layers":3,"num_attention_heads":8,"num_key_value_heads":2,"head_dim":96},
"phi3":{"model_type":"phi3","vocab_size":8000,"hidden_size":512,"intermediate_size":1408,"num_hidden_layers":3,"num_attention_heads":8,"num_key_value_heads":4,"sliding_window":2047,"pad_token_id":0},
"gemma2":{"model_type":"gemma2","vocab_size":8000,"hidden_size":512,"intermediate_size":1408,"num_hidden_layers":4,"num_attention_heads":8,"num_key_value_heads":4,"head_dim":64,"sliding_window":256},
"gemma3":{"model_type":"gemma3_text","vocab_size":8000,"hidden_size":512,"intermediate_size":1408,"num_hidden_layers":7,"num_attention_heads":8,"num_key_value_heads":1,"head_dim":64,"sliding_window":256},
"gpt2":{"model_type":"gpt2","vocab_size":8000,"n_embd":512,"n_layer":3,"n_head":8,"n_positions":1024},
"neox":{"model_type":"gpt_neox","vocab_size":8000,"hidden_size":512,"intermediate_size":2048,"num_hidden_layers":3,"num_attention_heads":8},
"mixtral":{"model_type":"mixtral","vocab_size":8000,"hidden_size":512,"intermediate_size":896,"num_hidden_layers":3,"num_attention_heads":8,"num_key_value_heads":2,"num_experts_per_tok":2,"num_local_experts":4},
"qwen3moe":{"model_type":"qwen3_moe","vocab_size":8000,"hidden_size":512,"intermediate_size":1408,"moe_intermediate_size":256,"num_hidden_layers":4,"num_attention_heads":8,"num_key_value_heads":2,"head_dim":64,"num_experts_per_tok":4,"num_experts":16,"norm_topk_prob":True},
"olmoe":{"model_type":"olmoe","vocab_size":8000,"hidden_size":512,"intermediate_size":256,"num_hidden_layers":3,"num_attention_heads":8,"num_key_value_heads":4,"num_experts_per_tok":4,"num_experts":16},
"dsv2":{"model_type":"deepseek_v2","vocab_size":8000,"hidden_size":512,"intermediate_size":1408,"moe_intermediate_size":256,"num_hidden_layers":4,"num_attention_heads":8,"num_key_value_heads":8,"first_k_dense_replace":1,"kv_lora_rank":128,"q_lora_rank":192,"qk_nope_head_dim":64,"qk_rope_head_dim":32,"v_head_dim":64,"n_routed_experts":16,"n_shared_experts":1,"num_experts_per_tok":4},
"bert":{"model_type":"bert","vocab_size":8000,"hidden_size":256,"num_hidden_layers":3,"num_attention_heads":4,"intermediate_size":1024},
}
for i in range(N):
    m=random.choice(list(CONFIGS)); c=dict(CONFIGS[m])
    t={"micro_batch":random.choice([1,2,3,4]),"seq_len":random.choice([256,500,512,777,1024]),"precision":random.choice(["bf16","bf16-mixed","fp32","fp16-mixed"]),
       "attention":random.choice(["sdpa","sdpa","eager"]),"checkpointing":random.choice(["off","off","nonreentrant","reentrant"]),
       "optimizer":random.choice(["adamw_foreach","adamw_fused","sgd","sgd_momentum","adamw_forloop","lion"]),
       "grad_accum":random.choice([1,1,1,2]),"zero_grad":random.choice(["after_step","after_step","before_backward"]),
       "keep_outputs":random.choice([False,False,True]),"autocast_style":random.choice(["lightning","lightning","accelerate"]),
       "padding_mask":random.choice([None,None,None,"ones","pad"]),"use_cache":random.choice([False]*5+[True])}
    if m=="bert": t["padding_mask"]=random.choice([None,"pad"]); t["seq_len"]=random.choice([256,384,512]); t["use_cache"]=False
    else:
        r=random.random()
        if r<0.2: t["lora"]={"r":random.choice([8,16,64]),"dropout":random.choice([0,0.1]),"fp32_adapters":random.choice([True,False])}
        if r<0.2 and m in("mixtral","qwen3moe","olmoe"): t["lora"]["targets"]=random.choice([["q_proj","v_proj"],["q_proj","k_proj","v_proj","o_proj"]])
        if r<0.2 and m=="dsv2": t.pop("lora")
        if 0.2<r<0.35: t["dpo"]={"ref":random.choice(["none","fp32","bf16"]),"logps":random.choice(["trl","trl_fp32","logsoftmax"])}; t["keep_outputs"]=False
    if "dpo" in t and t["padding_mask"]=="ones": t["padding_mask"]=None
    print(json.dumps({"id":f"r{sys.argv[1]}{i:03}","model":m,"config":c,"train":t}))
