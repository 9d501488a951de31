"""What chat endpoints stream, byte for byte as it goes over the line: real fields in their real order, ids and words made short.

Each recording is what stands behind the head of the answer.
"""

from __future__ import annotations

OPENAI = b"""\
data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1754420678,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null,"obfuscation":"q8"}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1754420678,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"One"},"finish_reason":null}],"usage":null,"obfuscation":"Zb3Kf"}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1754420678,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":" moment."},"finish_reason":null}],"usage":null,"obfuscation":""}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1754420678,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"find","arguments":""}}]},"finish_reason":null}],"usage":null,"obfuscation":"x"}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1754420678,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"x\\":"}}]},"finish_reason":null}],"usage":null,"obfuscation":"x"}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1754420678,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"list","arguments":""}}]},"finish_reason":null}],"usage":null,"obfuscation":"x"}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1754420678,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},"finish_reason":null}],"usage":null,"obfuscation":"x"}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1754420678,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]},"finish_reason":null}],"usage":null,"obfuscation":"x"}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1754420678,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":null,"obfuscation":"x"}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1754420678,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[],"usage":{"prompt_tokens":89,"completion_tokens":42,"total_tokens":131,"prompt_tokens_details":{"cached_tokens":64,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"obfuscation":""}

data: [DONE]

"""

VLLM = b"""\
data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1754420678,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1754420678,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"reasoning_content":"They want"},"logprobs":null,"finish_reason":null,"token_ids":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1754420678,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"reasoning":" it found."},"logprobs":null,"finish_reason":null,"token_ids":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1754420678,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"content":"\\n\\n"},"logprobs":null,"finish_reason":null,"token_ids":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1754420678,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"tool_calls":[{"id":"chatcmpl-tool-a","type":"function","index":0,"function":{"name":"find"}}]},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1754420678,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"x\\": "}}]},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1754420678,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1754420678,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":"tool_calls","stop_reason":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1754420678,"model":"Qwen/Qwen3-8B","choices":[],"usage":{"prompt_tokens":166,"total_tokens":190,"completion_tokens":24}}

data: [DONE]

"""

VLLM_ERROR = b"""\
data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1754420678,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}

data: {"error": {"message": "EngineCore encountered an issue.", "type": "InternalServerError", "param": null, "code": 500}}

data: [DONE]

"""

OLLAMA = b"""\
data: {"id":"chatcmpl-140","object":"chat.completion.chunk","created":1754420678,"model":"qwen3:8b","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Okay"},"finish_reason":null}]}

data: {"id":"chatcmpl-140","object":"chat.completion.chunk","created":1754420678,"model":"qwen3:8b","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"One"},"finish_reason":null}]}

data: {"id":"chatcmpl-140","object":"chat.completion.chunk","created":1754420678,"model":"qwen3:8b","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":" moment."},"finish_reason":null}]}

data: {"id":"chatcmpl-140","object":"chat.completion.chunk","created":1754420679,"model":"qwen3:8b","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[{"id":"call_lbcjwr0u","index":0,"type":"function","function":{"name":"find","arguments":"{\\"x\\":1}"}}]},"finish_reason":null}]}

data: {"id":"chatcmpl-140","object":"chat.completion.chunk","created":1754420679,"model":"qwen3:8b","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"tool_calls"}]}

data: {"id":"chatcmpl-140","object":"chat.completion.chunk","created":1754420679,"model":"qwen3:8b","system_fingerprint":"fp_ollama","choices":[],"usage":{"prompt_tokens":152,"completion_tokens":31,"total_tokens":183}}

data: [DONE]

"""

OLLAMA_ERROR = b"""\
data: {"id":"chatcmpl-140","object":"chat.completion.chunk","created":1754420678,"model":"qwen3:8b","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"One"},"finish_reason":null}]}

data: {"error":{"message":"an error was encountered while running the model: unexpected EOF","type":"api_error","param":null,"code":null}}

"""

LLAMA_SERVER = b""":

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1754420678,"id":"chatcmpl-3","model":"gpt-3.5-turbo","system_fingerprint":"b6100-1a2b3c4d","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"One"}}],"created":1754420678,"id":"chatcmpl-3","model":"gpt-3.5-turbo","system_fingerprint":"b6100-1a2b3c4d","object":"chat.completion.chunk"}

:

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":" moment."}}],"created":1754420678,"id":"chatcmpl-3","model":"gpt-3.5-turbo","system_fingerprint":"b6100-1a2b3c4d","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"tool_calls":[{"index":0,"id":"k3J9","type":"function","function":{"name":"find","arguments":"{"}}]}}],"created":1754420678,"id":"chatcmpl-3","model":"gpt-3.5-turbo","system_fingerprint":"b6100-1a2b3c4d","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\\"x\\":1}"}}]}}],"created":1754420678,"id":"chatcmpl-3","model":"gpt-3.5-turbo","system_fingerprint":"b6100-1a2b3c4d","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":"tool_calls","index":0,"delta":{}}],"created":1754420679,"id":"chatcmpl-3","model":"gpt-3.5-turbo","system_fingerprint":"b6100-1a2b3c4d","object":"chat.completion.chunk"}

data: {"choices":[],"created":1754420679,"id":"chatcmpl-3","model":"gpt-3.5-turbo","system_fingerprint":"b6100-1a2b3c4d","object":"chat.completion.chunk","usage":{"completion_tokens":18,"prompt_tokens":301,"total_tokens":319},"timings":{"prompt_n":1,"prompt_ms":35.2,"predicted_n":18,"predicted_ms":412.9}}

data: [DONE]

"""

LLAMA_SERVER_ERROR = b"""\
data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1754420678,"id":"chatcmpl-3","model":"gpt-3.5-turbo","object":"chat.completion.chunk"}

error: {"code":500,"message":"context shift is disabled","type":"server_error"}

"""

GROQ = b"""\
data: {"id":"chatcmpl-4","object":"chat.completion.chunk","created":1754420678,"model":"llama-3.3-70b-versatile","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"x_groq":{"id":"req_1"}}

data: {"id":"chatcmpl-4","object":"chat.completion.chunk","created":1754420678,"model":"llama-3.3-70b-versatile","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":"One moment."},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-4","object":"chat.completion.chunk","created":1754420678,"model":"llama-3.3-70b-versatile","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"tool_calls":[{"id":"call_q","type":"function","function":{"name":"find","arguments":"{\\"x\\":1}"},"index":0}]},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-4","object":"chat.completion.chunk","created":1754420678,"model":"llama-3.3-70b-versatile","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"x_groq":{"id":"req_1","usage":{"queue_time":0.06,"prompt_tokens":18,"prompt_time":0.0002,"completion_tokens":43,"completion_time":0.79,"total_tokens":61,"total_time":0.8}}}

data: [DONE]

"""

GROQ_ERROR = b"""\
data: {"id":"chatcmpl-4","object":"chat.completion.chunk","created":1754420678,"model":"llama-3.3-70b-versatile","choices":[{"index":0,"delta":{"content":"One"},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-4","object":"chat.completion.chunk","created":1754420678,"model":"llama-3.3-70b-versatile","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"x_groq":{"id":"req_1","error":"over_capacity"}}

data: [DONE]

"""

LM_STUDIO = b"""\
data: {"id":"chatcmpl-5","object":"chat.completion.chunk","created":1754420678,"model":"qwen/qwen3-coder-30b","system_fingerprint":"qwen/qwen3-coder-30b","choices":[{"index":0,"delta":{"role":"assistant","content":"One moment."},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-5","object":"chat.completion.chunk","created":1754420678,"model":"qwen/qwen3-coder-30b","system_fingerprint":"qwen/qwen3-coder-30b","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"","type":"function","function":{"name":"find","arguments":""}}]},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-5","object":"chat.completion.chunk","created":1754420678,"model":"qwen/qwen3-coder-30b","system_fingerprint":"qwen/qwen3-coder-30b","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"type":"function","function":{"arguments":"{\\"x\\":1}"}}]},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-5","object":"chat.completion.chunk","created":1754420678,"model":"qwen/qwen3-coder-30b","system_fingerprint":"qwen/qwen3-coder-30b","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}]}

data: {"id":"chatcmpl-5","object":"chat.completion.chunk","created":1754420678,"model":"qwen/qwen3-coder-30b","system_fingerprint":"qwen/qwen3-coder-30b","choices":[],"usage":{"prompt_tokens":28,"completion_tokens":9,"total_tokens":37}}

data: [DONE]

"""

LM_STUDIO_ERROR = b"""\
event: error
data: {"error":{"message":"The model has crashed without additional information. (Exit code: null)"}}

"""

LOCALAI = b"""\
data: {"created":1708097828,"object":"chat.completion.chunk","id":"5cc56821","model":"qwen3-4b","choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}

data: {"created":1708097828,"object":"chat.completion.chunk","id":"5cc56821","model":"qwen3-4b","choices":[{"index":0,"delta":{"content":"One"}}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}

data: {"created":1708097828,"object":"chat.completion.chunk","id":"5cc56821","model":"qwen3-4b","choices":[{"index":0,"delta":{"content":" moment."}}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}

data: {"created":1708097828,"object":"chat.completion.chunk","id":"5cc56821","model":"qwen3-4b","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"7f3a","type":"function","function":{"name":"find","arguments":""}}]}}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}

data: {"created":1708097828,"object":"chat.completion.chunk","id":"5cc56821","model":"qwen3-4b","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"7f3a","type":"function","function":{"name":"find","arguments":"{\\"x\\":1}"}}]}}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}

data: {"created":1708097828,"object":"chat.completion.chunk","id":"5cc56821","model":"qwen3-4b","choices":[{"index":0,"finish_reason":"tool_calls","delta":{}}],"usage":{"prompt_tokens":40,"completion_tokens":12,"total_tokens":52}}

data: [DONE]

"""
