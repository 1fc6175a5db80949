/* gate_child.h: a run of the gate in a process of its own. */
#pragma once

/* Main of `hone @child gate`: one frame in, one out, then it ends.
 *     in   {"device","model","slice","problem","class","layout","profile","database","yardstick","found",
 *           "check"}
 *     out  {"device","version","environment","yardstick_key","profile","layout","variant","config","source_key",
 *           "yardstick","kernel_ns":[…],"yardstick_ns":[…]}, or {"failed": status, "text": sentence}
 * Another version of the program answers the same question (hone compare --against): what is added here must
 * be of a kind that it may ignore. */
int gate_child(void);
