// SPDX-License-Identifier: GPL-2.0-only
/*
 * virgl_map NUMBER: that many 4 MiB GL buffers with a persistent mapping, all
 * mapped at once. The GPU fills them and the CPU reads every word; then the CPU
 * writes them, the GPU copies, and the CPU reads the copy.
 */
#define EGL_EGLEXT_PROTOTYPES
#define GL_GLEXT_PROTOTYPES
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES3/gl31.h>
#include <GLES2/gl2ext.h>

#include "check.h"

static PFNGLBUFFERSTORAGEEXTPROC buffer_storage;
static GLuint buffers[MAX_BUFFERS], source;
static uint32_t *maps[MAX_BUFFERS];
static uint32_t words[BUFFER_WORDS];

static void must(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s: EGL %#x\n", what, eglGetError());
	exit(1);
}

static void open_device(void)
{
	static const EGLint config_attribs[] = {
		EGL_RENDERABLE_TYPE, EGL_OPENGL_ES3_BIT, EGL_SURFACE_TYPE,
		EGL_PBUFFER_BIT,     EGL_NONE,
	};
	static const EGLint context_attribs[] = {
		EGL_CONTEXT_MAJOR_VERSION,
		3,
		EGL_CONTEXT_MINOR_VERSION,
		1,
		EGL_NONE,
	};
	EGLDisplay display;
	EGLContext context;
	EGLConfig config;
	EGLint count;

	display = eglGetPlatformDisplay(EGL_PLATFORM_SURFACELESS_MESA,
					EGL_DEFAULT_DISPLAY, NULL);
	must(eglInitialize(display, NULL, NULL), "initialize");
	must(eglChooseConfig(display, config_attribs, &config, 1, &count) &&
		     count,
	     "config");
	context = eglCreateContext(display, config, EGL_NO_CONTEXT,
				   context_attribs);
	must(context != EGL_NO_CONTEXT, "context");
	must(eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context),
	     "current");
	printf("device: %s\n", glGetString(GL_RENDERER));
	buffer_storage = (PFNGLBUFFERSTORAGEEXTPROC)eglGetProcAddress(
		"glBufferStorageEXT");
	must(!!buffer_storage, "no GL_EXT_buffer_storage");
	glGenBuffers(1, &source);
	glBindBuffer(GL_COPY_READ_BUFFER, source);
	glBufferData(GL_COPY_READ_BUFFER, BUFFER_SIZE, NULL, GL_STREAM_COPY);
}

static int make(unsigned int i)
{
	const GLbitfield access = GL_MAP_READ_BIT | GL_MAP_WRITE_BIT |
				  GL_MAP_PERSISTENT_BIT_EXT |
				  GL_MAP_COHERENT_BIT_EXT;

	glGenBuffers(1, &buffers[i]);
	glBindBuffer(GL_COPY_WRITE_BUFFER, buffers[i]);
	buffer_storage(GL_COPY_WRITE_BUFFER, BUFFER_SIZE, NULL, access);
	maps[i] =
		glMapBufferRange(GL_COPY_WRITE_BUFFER, 0, BUFFER_SIZE, access);
	return !!maps[i];
}

static void copy(GLuint from, GLuint to)
{
	glBindBuffer(GL_COPY_READ_BUFFER, from);
	glBindBuffer(GL_COPY_WRITE_BUFFER, to);
	glCopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, 0, 0,
			    BUFFER_SIZE);
}

static uint32_t *map_of(unsigned int buffer)
{
	return maps[buffer];
}

static unsigned long gpu_to_cpu(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		fill_words(words, gpu_word(i));
		glBindBuffer(GL_COPY_READ_BUFFER, source);
		glBufferSubData(GL_COPY_READ_BUFFER, 0, BUFFER_SIZE, words);
		copy(source, buffers[i]);
	}
	glFinish();
	return wrong_buffers(0, count, gpu_word);
}

/* The second half of the buffers are copies of the first, made by the GPU. */
static unsigned long cpu_to_gpu(unsigned int count)
{
	for (unsigned int i = 0; i < count / 2; i++)
		fill_words(maps[i], cpu_word(i));
	for (unsigned int i = 0; i < count / 2; i++)
		copy(buffers[i], buffers[count / 2 + i]);
	glFinish();
	return wrong_buffers(count / 2, count / 2, cpu_word);
}

int main(int argc, char **argv)
{
	unsigned int wanted = wanted_buffers(argc, argv), count = 0;
	unsigned long wrong_gpu = 0, wrong_cpu = 0;
	GLenum error;

	open_device();
	while (count < wanted && make(count))
		count++;
	error = glGetError();
	/* In a window that is full the driver itself has no room to work. */
	if (count == wanted) {
		wrong_gpu = gpu_to_cpu(count);
		wrong_cpu = cpu_to_gpu(count);
	}
	show_buffers(count, wanted, count == wanted);
	return report(count, error, wrong_gpu, wrong_cpu);
}
